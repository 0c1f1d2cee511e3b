// Runs when the browser starts, when the pin is installed, and when a page tells it something. A service worker that the
// server left here before could answer in its place, under no header that this extension sets: it is removed. What was
// opened before the pin held, and so does not answer or has not its mark, is loaded anew.

const { origin, host, releases } = PINNED;
const isFirefox = chrome.runtime.getURL("").startsWith("moz-");
const LONGEST = 20000; // ms of one document after the other of which none is the pinned one
const GAP = 30000; // ms; more than content.js waits for one document
const ANSWER = 5000; // ms for what the server says that it runs
const CHECKED = [0, 500, 1000, 2000, 4000, 8000]; // ms after the start: a browser that starts is slow to say what is open
const AGAIN = 300; // ms until a document that came without the mark is loaded anew
const MOST = 10; // times; by then the rule holds, unless the browser does not apply it at all

async function clear() {
  const where = isFirefox ? { hostnames: [host] } : { origins: [origin] };
  await chrome.browsingData.remove(where, { serviceWorkers: true });
}

// By now the person may be somewhere else.
async function isHere(tab) {
  const { url } = await chrome.tabs.get(tab).catch(() => ({}));
  return url?.startsWith(`${origin}/`) ?? false;
}

async function loadAnew(tab) {
  if (await isHere(tab)) await chrome.tabs.reload(tab, { bypassCache: true });
}

async function check() {
  for (const { id, url, discarded } of await chrome.tabs.query({ url: `${new URL(origin).protocol}//${host}/*` })) {
    if (discarded || !url?.startsWith(`${origin}/`)) continue;
    const isMarked = await chrome.tabs.sendMessage(id, "mark", { frameId: 0 }).catch(() => false); // nobody is there
    if (!isMarked) await loadAnew(id);
  }
}

// Beside the button, on the tab in which the pinned page runs: until it goes elsewhere.
function mark(tabId) {
  chrome.action.setBadgeText({ tabId, text: releases[0].version.split(".").slice(0, 2).join(".") }).catch(() => {});
}

// What the server says that it runs; page.js looks at its form.
async function ask() {
  const signal = AbortSignal.timeout(ANSWER);
  const options = { headers: { Accept: "application/json" }, credentials: "omit", redirect: "error", signal };
  const { version } = await (await fetch(`${origin}/deployment`, options)).json();
  return String(version).slice(0, 100);
}

// Something of the extension's own in its place. Firefox keeps no way back to it; Chromium skips what nobody pressed.
async function show(tab, page, told = {}) {
  const url = `${chrome.runtime.getURL(page)}#${new URLSearchParams(told)}`;
  if (await isHere(tab)) await chrome.tabs.update(tab, isFirefox ? { url, loadReplace: true } : { url });
}

// It is not shown any longer.
async function replace(tab, at, why) {
  await show(tab, "changed.html", { said: await ask().catch(() => ""), at, why });
}

const unmarked = new Map(); // tab → how often a document of it came without the mark
function loadAgain(tab, at) {
  const times = (unmarked.get(tab) ?? 0) + 1;
  unmarked.set(tab, times);
  if (times <= MOST) setTimeout(() => loadAnew(tab), AGAIN);
  else {
    unmarked.delete(tab);
    replace(tab, at, "unmarked");
  }
}

const unjudged = new Map(); // tab → when the first and the last of its documents began, since one was the pinned one

chrome.runtime.onStartup.addListener(() => {}); // or it would not run as the browser starts
chrome.runtime.onMessage.addListener(({ is, late }, { tab, frameId, url }) => {
  if (!tab || frameId !== 0 || !url?.startsWith(`${origin}/`)) return;
  if (is === "unmarked") {
    loadAgain(tab.id, url);
    return;
  }
  unmarked.delete(tab.id);
  if (is === "elsewhere") {
    const isProtection = new URL(url).pathname === PINNED.protection;
    show(tab.id, ...(isProtection ? ["protection.html"] : ["changed.html", { why: is }]));
    return;
  }
  const now = Date.now();
  const [first, last] = unjudged.get(tab.id) ?? [now, now];
  const since = now - last > GAP ? now : first;
  // A page that loads itself anew all the time would never be judged.
  const isChanged = is === "changed" || (is === "begun" && now - since > LONGEST);
  if (is === "pinned") mark(tab.id);
  if (is === "pinned" || isChanged) unjudged.delete(tab.id);
  else unjudged.set(tab.id, [since, now]);
  if (isChanged) replace(tab.id, url, late || is === "begun" ? "late" : "");
});
chrome.action.setBadgeBackgroundColor({ color: "#1d7a4f" });
clear();
for (const ms of CHECKED) setTimeout(check, ms);
