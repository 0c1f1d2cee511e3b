// Requests the conversation of this address while the rest of the code is still loading.

export const CONVERSATION_PATH = /^\/c\/([0-9A-HJKMNP-TV-Z]{24})$/;

let isOver = false;
export function endRequests() { isOver = true; }

// All requests of the page: never cached, not redirected, and aborted after half a minute.
export async function request(address, options) {
  if (isOver) throw new Error("Requests have ended.");
  return fetch(address, { redirect: "error", cache: "no-store", signal: AbortSignal.timeout(30000), ...options });
}

// In WebKit, a script that arrives before the rest of the head was parsed cannot import anything, so boot.js fails
// (docs/decisions/pages.md). After one reload, everything comes from the cache.
const [arrival] = performance.getEntriesByType("navigation");
addEventListener("error", ({ target }) => {
  if (arrival?.type !== "reload" && /\/js\/boot\.js$/.test(target.src)) location.reload();
}, true);

const path = CONVERSATION_PATH.test(location.pathname) ? `${location.pathname}/open` : "";
const peek = document.hidden ? "?peek=1" : ""; // nothing counts as read while nobody looks
let answer = path && request(path + peek, { headers: { Accept: "text/html" } });
if (answer) answer.catch(() => {}); // handled by takeFirst's caller

// The response for this address if it was already requested; only once.
export function takeFirst(address) {
  if (!answer || address.split("?")[0] !== path) return null;
  const taken = answer;
  answer = null;
  return taken;
}
