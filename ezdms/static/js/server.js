// Asking the server: forms out, JSON or fragments back. Of what comes back only what has its exact form is used, and no
// sentence of the server's is shown: a refusal is a code, for which the words are here.

import { request, takeFirst } from "./first.js";

const UNREACHABLE = "The server cannot be reached. Please check your connection and try again.";
const BROKEN = "Something went wrong on the server. Please try again.";
const ODD = "The server sent an answer that this page does not understand. Please try again.";
const SENTENCES = {
  act: "The server did not accept the signature of your key.",
  busy: "The server is busy right now. Nothing was lost. Please try again.",
  changed: "Your Login PIN was changed elsewhere at this moment.",
  clock: "Your device's clock is wrong. Set it right and try again.",
  counter: "Another message of yours has this number already.",
  disk: "The server’s disk is nearly full, so it is not accepting new accounts right now.",
  foreign_origin: "This request came from another website, so it was refused.",
  left: "This person has left. Nothing more can be sent to them.",
  no_conversation: "There is no such conversation.",
  no_session: "Please log in.",
  not_opened: "Open the address that “ezdms open” printed when it started.", // words of `ezdms open`: this one,
  odd: ODD, // and two for what comes, or does not come, from the server
  oneself: "This is your own Search PIN. Ask the other person for theirs.",
  not_invited: "This server is invitation-only. Open the link you were given. Each works once, for a limited time.",
  quota: "Your storage on this server is full. Nothing more can be sent; what is there can be read.",
  registration_closed: "This server is not accepting new accounts.",
  taken: "These keys or this PIN cannot be used. Please try again.",
  unavailable: "The server cannot store anything right now. Nothing was lost. Please try again in a minute.",
  unknown_pin: "Nobody on this server has this Search PIN.",
  unknown_session: "This session has ended already.",
  unreachable: UNREACHABLE,
  wrong_pin: "No account has this Login PIN.",
};
const NOT_YOURS = "This is not your Login PIN."; // the same code of a 403

// Forms of what a server may say, for `shape` below.
const matches = (pattern) => (value) => typeof value === "string" && pattern.test(value);
export const isId = matches(/^[\w-]{22}$/);
export const isB64u = matches(/^[\w-]*$/);
export const isText = (value) => typeof value === "string" && value.length < 3e6; // read strictly by crypto.js
export const isNumber = (value) => Number.isSafeInteger(value) && value >= 0;

export class ServerError extends Error {
  constructor(status, answer = null, sentence = BROKEN) {
    const { code: said, retry_after: seconds } = answer ?? {};
    const code = typeof said === "string" ? said : "";
    const wait = isNumber(seconds) && seconds <= 86400 ? seconds : null;
    if (code === "too_often" && wait !== null) super(`Too many requests. Please wait ${wait} seconds and try again.`);
    else if (code === "wrong_pin" && status === 403) super(NOT_YOURS);
    else super(Object.hasOwn(SENTENCES, code) ? SENTENCES[code] : sentence);
    this.status = status; // 0: the server could not be reached
    this.code = code;
    this.retryAfter = wait;
  }
}

async function ask(address, options) {
  let response;
  try {
    response = await (takeFirst(address) ?? request(address, options));
  } catch {
    throw new ServerError(0, null, UNREACHABLE);
  }
  if (response.ok) return response;
  throw new ServerError(response.status, await response.json().catch(() => null));
}

// An answer that breaks off is none.
const textOf = (response) => response.text().catch(() => { throw new ServerError(0, null, UNREACHABLE); });

// Errors come as JSON whichever face of the answer is wanted: see "accept" below.
const JSON_ONLY = { Accept: "application/json" };

// The members that `shape` names, each found to have its form.
async function readJson(response, shape) {
  const answer = (await response.json().catch(() => null)) ?? {};
  const isWhole = Object.entries(shape).every(([name, check]) => check(answer[name]));
  if (!isWhole) throw new ServerError(response.status, null, ODD);
  return Object.fromEntries(Object.keys(shape).map((name) => [name, answer[name]]));
}

export async function postForm(address, fields = {}, shape = null, method = "POST") {
  const body = new URLSearchParams(fields);
  const keepalive = `${body}`.length < 20000; // a message on its way is not lost when its page is left
  const response = await ask(address, { method, headers: JSON_ONLY, body, keepalive });
  if (shape) return readJson(response, shape);
  await textOf(response); // or it would count as on its way for good
  return null;
}

export const getJson = async (address, shape) => readJson(await ask(address, { headers: JSON_ONLY }), shape);

// A fragment, to be put into its place by guard.js alone.
const HTML = { Accept: "text/html" };
export const getFragment = async (address) => textOf(await ask(address, { headers: HTML }));
export const postForFragment = async (address) => textOf(await ask(address, { method: "POST", headers: HTML }));

export const deploymentId = async () => (await getJson("/deployment", { deployment_id: isId })).deployment_id;
