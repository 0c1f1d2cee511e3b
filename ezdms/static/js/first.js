// Asks for the conversation that the address names while the rest of the code is still on its way.

export const CONVERSATION_PATH = /^\/c\/([0-9A-HJKMNP-TV-Z]{24})$/;

let isOver = false;
export function endRequests() { isOver = true; }

// Every request of the page: asked anew, led nowhere else, and given up after half a minute.
export async function request(address, options) {
  if (isOver) throw new Error("Nobody is asked any more.");
  return fetch(address, { redirect: "error", cache: "no-store", signal: AbortSignal.timeout(30000), ...options });
}

// In WebKit a script that came before the rest of the head was seen can import nothing (docs/decisions/pages.md). What
// is loaded again is here whole.
const [{ type }] = performance.getEntriesByType("navigation");
addEventListener("error", ({ target }) => {
  if (type !== "reload" && /\/js\/boot\.js$/.test(target.src)) location.reload();
}, true);

const path = CONVERSATION_PATH.test(location.pathname) ? `${location.pathname}/open` : "";
let answer = path && request(path, { headers: { Accept: "text/html" } });
if (answer) answer.catch(() => {}); // whoever takes it handles that

// The answer to this address if it was asked for already; once.
export function takeFirst(address) {
  if (!answer || address !== path) return null;
  const taken = answer;
  answer = null;
  return taken;
}
