// Requests to the server: forms out, JSON or fragments back. Responses are used only in their exact form, and the
// server's sentences are never shown: an error is a code, with its sentence here.

import { request, takeFirst } from "./first.js";

const UNREACHABLE = "The server cannot be reached. Please check your connection and try again.";
const BROKEN = "Something went wrong on the server. Please try again.";
const ODD = "The server sent an answer that this page does not understand. Please try again.";
const SENTENCES = {
  act: "The server did not accept the signature of your key.",
  busy: "The server is busy right now. Nothing was lost. Please try again.",
  challenge: "That took too long. Go back and enter your Login PIN again.",
  changed: "Your Login PIN was just changed on another device.",
  clock: "Your device's clock is wrong. Set it and try again.",
  counter: "Another message of yours already has this number.",
  disk: "The server’s disk is nearly full, so it is not accepting new accounts right now.",
  endpoint: "This server cannot reach your browser’s push service.",
  foreign_origin: "This request came from another website, so it was refused.",
  left: "This person deleted their account. You can no longer message them.",
  malformed_code: "A code has 6 digits. A recovery code has two groups of 5 letters and digits.",
  no_conversation: "There is no such conversation.",
  no_message: "There is no such message in this conversation that you can change.",
  no_session: "Please log in.",
  not_accepted: "Waiting until they accept your request.",
  not_opened: "Open the address that “ezdms open” printed when it started.", // codes of `ezdms open`: this one,
  odd: ODD, // and two for invalid or missing responses
  oneself: "This is your own Search PIN. Ask the other person for theirs.",
  not_invited: "This invitation was already used, or has expired. Ask whoever gave it to you for a new link.",
  passkey: "This passkey is not known here. Type your Login PIN instead.",
  passkey_taken: "This passkey is already in use.",
  quota: "Your storage on this server is full. You cannot send messages, but you can still read them.",
  registration_closed: "This server is not accepting new accounts.",
  second_step: "Two-step login is on. Enter the code from your app, too.",
  second_step_is_on: "Two-step login is already on.",
  second_step_not_begun: "This secret is not valid any more. Reload the page and begin again.",
  taken: "These keys or this PIN cannot be used. Please try again.",
  too_many_passkeys: "You have 20 passkeys. Remove one first.",
  too_many: "50 of your devices get notifications already. Turn them off on one of them, or log it out.",
  unavailable: "The server cannot store anything right now. Nothing was lost. Please try again in a minute.",
  unknown_pin: "Nobody on this server has this Search PIN.",
  unknown_session: "This session has already ended.",
  unreachable: UNREACHABLE,
  used_code: "This code was already used. Wait until your app shows the next one.",
  wrong_code: "This code is wrong or too old, or the recovery code was already used. Enter what your app shows now. If "
    + "that fails, check your phone’s clock.",
  wrong_pin: "No account has this Login PIN.",
};
const NOT_YOURS = "This is not your Login PIN."; // the same code with 403

// Forms of values from a server, for `shape` below.
export const matches = (pattern) => (value) => typeof value === "string" && pattern.test(value);
export const isId = matches(/^[\w-]{22}$/);
export const isB64u = matches(/^[\w-]*$/);
export const isText = (value) => typeof value === "string" && value.length < 3e6; // validated by crypto.js
const isChallenge = matches(/^[\w-]{1,1024}$/);
export const isFlag = (value) => typeof value === "boolean";
export const isNumber = (value) => Number.isSafeInteger(value) && value >= 0;

function waitLong(seconds) {
  const minutes = Math.ceil((seconds ?? 900) / 60);
  return minutes === 1 ? "Wait a minute" : `Wait ${minutes} minutes`;
}

export class ServerError extends Error {
  constructor(status, answer = null, sentence = BROKEN) {
    const { code: said, retry_after: seconds } = answer ?? {};
    const code = typeof said === "string" ? said : "";
    const wait = isNumber(seconds) && seconds <= 86400 ? seconds : null;
    const duration = wait === 1 ? "1 second" : `${wait} seconds`;
    if (code === "too_often" && wait !== null) super(`Too many requests. Please wait ${duration} and try again.`);
    else if (code === "too_many_codes") super(`Too many wrong codes. ${waitLong(wait)}, or use a recovery code.`);
    else if (code === "wrong_pin" && status === 403) super(NOT_YOURS);
    else super(Object.hasOwn(SENTENCES, code) ? SENTENCES[code] : sentence);
    this.status = status; // 0: the server could not be reached
    this.code = code;
    this.retryAfter = wait;
    this.challenge = isChallenge(answer?.challenge) ? answer.challenge : ""; // for a code of two-step login
  }
}

// Every response of the server has this policy. A network's login page, or a proxy's error, does not come from it.
const isOurs = ({ headers }) => headers.get("Content-Security-Policy")?.startsWith("default-src 'none'; ");

// True if the same request may succeed later: nobody refused it for good.
export const isPassing = ({ status, code }) =>
  status < 400 || [401, 408, 429].includes(status) || status >= 500 || code === "not_accepted";

const JSON_ONLY = { Accept: "application/json" }; // for JSON responses

async function ask(address, options) {
  let response;
  try {
    response = await (takeFirst(address) ?? request(address, options));
  } catch {
    throw new ServerError(0, null, UNREACHABLE);
  }
  if (!isOurs(response)) throw new ServerError(0, null, UNREACHABLE);
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  // A network's refusal can have such a policy, too, but it is a page.
  const isPage = answer === null && options?.headers === JSON_ONLY;
  if (isPage && response.status < 500) throw new ServerError(0, null, UNREACHABLE);
  throw new ServerError(response.status, answer);
}

// A response that breaks off counts as unreachable.
const textOf = (response) => response.text().catch(() => { throw new ServerError(0, null, UNREACHABLE); });

// The members named in `shape`, each validated.
async function readJson(response, shape) {
  const answer = (await response.json().catch(() => null)) ?? {};
  const isWhole = Object.entries(shape).every(([name, check]) => check(answer[name]));
  if (!isWhole) throw new ServerError(response.status, null, ODD);
  return Object.fromEntries(Object.keys(shape).map((name) => [name, answer[name]]));
}

export async function postForm(address, fields = {}, shape = null, method = "POST") {
  const body = new URLSearchParams(fields);
  const keepalive = `${body}`.length < 20000; // a message being sent is not lost when the page is closed
  const response = await ask(address, { method, headers: JSON_ONLY, body, keepalive });
  if (shape) return readJson(response, shape);
  await textOf(response); // otherwise it would count as in progress forever
  return null;
}

export const getJson = async (address, shape) => readJson(await ask(address, { headers: JSON_ONLY }), shape);

// A fragment, which only guard.js may insert.
const HTML = { Accept: "text/html" };
export const getFragment = async (address) => textOf(await ask(address, { headers: HTML }));
export const postForFragment = async (address) => textOf(await ask(address, { method: "POST", headers: HTML }));

export const deploymentId = async () => (await getJson("/deployment", { deployment_id: isId })).deployment_id;
