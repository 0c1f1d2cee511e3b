// Asking the server: forms out, JSON or HTML back, and every failure as one sentence.

export class ServerError extends Error {
  constructor(status, answer, sentence) {
    super(answer?.error ?? sentence);
    this.status = status; // 0: the server could not be reached
    this.code = answer?.code;
    this.answer = answer;
  }
}

async function ask(address, options) {
  let response;
  try {
    response = await fetch(address, { credentials: "same-origin", signal: AbortSignal.timeout(30000), ...options });
  } catch {
    throw new ServerError(0, null, "The server cannot be reached. Please check your connection and try again.");
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  throw new ServerError(response.status, answer, "Something went wrong on the server. Please try again.");
}

// Errors come as JSON whichever face of the answer is wanted: see "accept" below.
const JSON_ONLY = { Accept: "application/json" };

export async function postForm(address, fields = {}, method = "POST") {
  const body = new URLSearchParams(fields);
  const keepalive = `${body}`.length < 20000; // a message on its way is not lost when its page is left
  const response = await ask(address, { method, headers: JSON_ONLY, body, keepalive });
  return response.status === 204 ? null : response.json();
}

export const getJson = async (address) => (await ask(address, { headers: JSON_ONLY })).json();

// A fragment of HTML, rendered and escaped by the server.
export async function getFragment(address) {
  return (await ask(address, { headers: { Accept: "text/html", "HX-Request": "true" } })).text();
}
