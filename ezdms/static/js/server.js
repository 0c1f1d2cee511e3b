// Requests to the server: forms out, JSON or fragments back. Responses are used only in their exact form, and the
// server's sentences are never shown: an error is a code, with its words in parts/words.html.

import { request, takeFirst } from "./first.js";
import { maySay, say } from "./words.js";

// Forms of values from a server, for `shape` below.
export const matches = (pattern) => (value) => typeof value === "string" && pattern.test(value);
export const isId = matches(/^[\w-]{22}$/);
export const isB64u = matches(/^[\w-]*$/);
export const isText = (value) => typeof value === "string" && value.length < 3e6; // validated by crypto.js
const isChallenge = matches(/^[\w-]{1,1024}$/);
export const isFlag = (value) => typeof value === "boolean";
export const isNumber = (value) => Number.isSafeInteger(value) && value >= 0;

// The words for a code. `wait`: seconds, if the server said so.
function wordsFor(status, code, wait) {
  if (code === "too_often" && wait !== null) return say("error-too-often", { count: wait });
  if (code === "too_many_codes") return say("error-too-many-codes", { count: Math.ceil((wait ?? 900) / 60) });
  if (code === "wrong_pin" && status === 403) return say("error-not-your-pin");
  return maySay(`error-${code.replaceAll("_", "-")}`);
}

export class ServerError extends Error {
  constructor(status, answer = null, sentence = say("error-broken")) {
    const { code: said, retry_after: seconds } = answer ?? {};
    const code = typeof said === "string" && /^[a-z_]+$/.test(said) ? said : "";
    const wait = isNumber(seconds) && seconds <= 86400 ? seconds : null;
    super(wordsFor(status, code, wait) ?? sentence);
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
    throw new ServerError(0, null, say("error-unreachable"));
  }
  if (!isOurs(response)) throw new ServerError(0, null, say("error-unreachable"));
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  // A network's refusal can have such a policy, too, but it is a page.
  const isPage = answer === null && options?.headers.Accept === JSON_ONLY.Accept && options.method !== "HEAD";
  if (isPage && response.status < 500) throw new ServerError(0, null, say("error-unreachable"));
  throw new ServerError(response.status, answer);
}

// A response that breaks off counts as unreachable.
const textOf = (response) => response.text().catch(() => { throw new ServerError(0, null, say("error-unreachable")); });

// The members named in `shape`, each validated.
async function readJson(response, shape) {
  const answer = (await response.json().catch(() => null)) ?? {};
  const isWhole = Object.entries(shape).every(([name, check]) => check(answer[name]));
  if (!isWhole) throw new ServerError(response.status, null, say("error-odd"));
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

const LONGEST_PART = 30000; // ms that one part of a download may take

// Yields the bytes from `start` to `end` of a file of `size` bytes. Throws ServerError; what was yielded has arrived.
export async function* getPart(address, start, end, size, signal) {
  const headers = { ...JSON_ONLY, Range: `bytes=${start}-${end - 1}` };
  const odd = () => new ServerError(422, null, say("error-odd"));
  const limited = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_PART)]);
  const response = await ask(address, { headers, signal: limited });
  if (response.headers.get("Content-Range") !== `bytes ${start}-${end - 1}/${size}`) throw odd();
  const reader = response.body.getReader();
  const read = () => reader.read().catch(() => { throw new ServerError(0, null, say("error-unreachable")); });
  let left = end - start;
  try {
    for (let { done, value } = await read(); !done; { done, value } = await read()) {
      left -= value.length;
      if (left < 0) throw odd();
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {}); // a server could go on forever
  }
  if (left) throw new ServerError(0, null, say("error-unreachable"));
}

// Send bytes of an upload that begin at `offset` (as tus 1.0); without any, only ask. Resolves to where it continues.
export async function carry(address, { offset = null, body, signal }) {
  const bytes = { "Upload-Offset": `${offset}`, "Content-Type": "application/offset+octet-stream" };
  const headers = { ...JSON_ONLY, ...(body && bytes) };
  const response = await ask(address, { method: body ? "PATCH" : "HEAD", headers, body, signal });
  const said = response.headers.get("Upload-Offset") ?? "";
  if (!/^[0-9]{1,15}$/.test(said)) throw new ServerError(response.status, null, say("error-odd"));
  return Number(said);
}

// ---- When work is done again ----

// How long the page waits before it connects again: a restarted server loses all connections at once, so each page
// picks a random time: five hundred come back over four seconds, not in the same one.

const SPREAD = 4000; // ms: the longest pause for the first tries, since a restart takes only seconds;
const FIRST = 3;
const LONGEST = 10000; // then it is doubled with each try, up to this
const SHORTEST = 100;

// `attempt`: how many tries have failed since the last frame. `random`: from 0 to 1.
export function pauseAfter(attempt, random) {
  return SHORTEST + random * (Math.min(SPREAD * 2 ** Math.max(attempt + 1 - FIRST, 0), LONGEST) - SHORTEST);
}

// A function that runs `work()`, once at a time: calls made meanwhile are answered by one more run.
export function onceMore(work) {
  let [running, next] = [Promise.resolve(), null]; // next: a run that has not begun
  return () => {
    next ??= running.then(() => {
      next = null;
      return work();
    });
    running = next.catch(() => {});
    return next;
  };
}
