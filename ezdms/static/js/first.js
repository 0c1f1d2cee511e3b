// Which account of this browser the tab shows. Requests the conversation of this address while the rest of the code is
// still loading.

// Accounts have numbered places. Each place has its own storage, locks, channels and session cookie; their names end
// with its number, except at place 0. A tab keeps its place. A new one takes the place used last.
export const PLACES = 5;
const KEY = "ezdms-place";
export const NEW_PIN = "ezdms-new-login-pin"; // in this tab, of a new account (start-conversation.js)
export const ADDED = "ezdms-added"; // in this tab, from a link (start-conversation.js)

// Nothing is left in this tab but its place, and `kept`.
export function clearTab(place = PLACE, kept = null) {
  sessionStorage.clear();
  sessionStorage.setItem(KEY, place);
  if (kept !== null) sessionStorage.setItem(ADDED, kept);
}

// A link `/#account=PLACE` shows another account in this tab, unless a new Login PIN would be lost.
function takePlace() {
  const [, asked] = /^#account=([0-4])$/.exec(location.hash) ?? [];
  if (asked) history.replaceState(null, "", location.pathname);
  try {
    const known = sessionStorage.getItem(KEY);
    const isAsked = asked && asked !== known && !sessionStorage.getItem(NEW_PIN);
    const place = Number(/^[0-4]$/.exec(isAsked ? asked : known ?? localStorage.getItem(KEY)) ?? 0);
    if (isAsked) clearTab(place, sessionStorage.getItem(ADDED));
    else sessionStorage.setItem(KEY, place);
    return place;
  } catch {
    return 0; // storage is blocked
  }
}
export const PLACE = takePlace();
export const ofPlace = (name, place = PLACE) => (place ? `${name}-${place}` : name);

// What this browser remembers besides its keys, for each account. Nothing is remembered where storage is blocked.

const SHARED = ["scheme", "enter", "place"]; // by all accounts
const keyOf = (name, place) => (SHARED.includes(name) ? `ezdms-${name}` : ofPlace(`ezdms-${name}`, place));

export function remembered(name, place = PLACE) {
  try { return localStorage.getItem(keyOf(name, place)) ?? ""; } catch { return ""; }
}

export function remember(name, value, place = PLACE) {
  try {
    if (value) localStorage.setItem(keyOf(name, place), value);
    else localStorage.removeItem(keyOf(name, place));
  } catch { /* blocked or full */ }
}

// The accounts in this browser: {place, ik, name}. `name` is undefined for one whose session has ended.
export function accounts() {
  const all = Array.from({ length: PLACES }, (_, place) => [place, ...remembered("name", place).split(" ")]);
  return all.filter(([, ik]) => ik).map(([place, ik, name]) => ({ place, ik, name }));
}

// New tabs show this account.
export const choosePlace = (place = PLACE) => remember("place", place);

export const CONVERSATION_PATH = /^\/c\/([0-9A-HJKMNP-TV-Z]{24})$/;

let isOver = false;
export function endRequests() { isOver = true; }

// All requests of the page: never cached, not redirected, and aborted after half a minute.
export async function request(address, options) {
  if (isOver) throw new Error("Requests have ended.");
  const headers = { ...options?.headers, ...(PLACE && { "Ezdms-Place": PLACE }) };
  const signal = AbortSignal.timeout(30000);
  return fetch(address, { redirect: "error", cache: "no-store", signal, ...options, headers });
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
