// Runs when the browser starts, when the pin is installed, and when a page sends it a message. A service worker that
// the server installed earlier could answer without the headers that this extension sets, so it is removed. Pages
// opened before the pin applied, which do not answer or lack its mark, are reloaded.

const { origin, host, releases } = PINNED;
const isFirefox = chrome.runtime.getURL("").startsWith("moz-");
const LONGEST = 20000; // ms of consecutive documents without a pinned one
const GAP = 30000; // ms; longer than content.js waits for one document
const ANSWER = 5000; // ms for the server to report its version
const CHECKED = [0, 500, 1000, 2000, 4000, 8000]; // ms after startup: browsers are slow to report open tabs
const AGAIN = 300; // ms before a document without the mark is reloaded
const MOST = 10; // times; by then the rule applies, unless the browser ignores it

async function clear() {
  const where = isFirefox ? { hostnames: [host] } : { origins: [origin] };
  await chrome.browsingData.remove(where, { serviceWorkers: true });
}

// The user may have navigated away.
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
    const isMarked = await chrome.tabs.sendMessage(id, "mark", { frameId: 0 }).catch(() => false); // no content script
    if (!isMarked) await loadAnew(id);
  }
}

// Show the version on the button, for a tab with the pinned page, until it navigates away.
function mark(tabId) {
  chrome.action.setBadgeText({ tabId, text: releases[0].version.split(".").slice(0, 2).join(".") }).catch(() => {});
}

// The version the server reports; page.js validates it.
async function ask() {
  const signal = AbortSignal.timeout(ANSWER);
  const options = { headers: { Accept: "application/json" }, credentials: "omit", redirect: "error", signal };
  const { version } = await (await fetch(`${origin}/deployment`, options)).json();
  return String(version).slice(0, 100);
}

// Replace it by a page of the extension. Firefox keeps no history entry; Chromium skips it, as nobody clicked.
async function show(tab, page, told = {}) {
  const url = `${chrome.runtime.getURL(page)}#${new URLSearchParams(told)}`;
  if (await isHere(tab)) await chrome.tabs.update(tab, isFirefox ? { url, loadReplace: true } : { url });
}

// Replace a changed page.
async function replace(tab, at, why) {
  await show(tab, "changed.html", { said: await ask().catch(() => ""), at, why });
}

const unmarked = new Map(); // tab → how many documents came without the mark
function loadAgain(tab, at) {
  const times = (unmarked.get(tab) ?? 0) + 1;
  unmarked.set(tab, times);
  if (times <= MOST) setTimeout(() => loadAnew(tab), AGAIN);
  else {
    unmarked.delete(tab);
    replace(tab, at, "unmarked");
  }
}

const unjudged = new Map(); // tab → start of the first and last document since a pinned one

chrome.runtime.onStartup.addListener(() => {}); // otherwise it would not run at browser startup
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
  // A page that keeps reloading itself would never be judged.
  const isChanged = is === "changed" || (is === "begun" && now - since > LONGEST);
  if (is === "pinned") mark(tab.id);
  if (is === "pinned" || isChanged) unjudged.delete(tab.id);
  else unjudged.set(tab.id, [since, now]);
  if (isChanged) replace(tab.id, url, late || is === "begun" ? "late" : "");
});
chrome.action.setBadgeBackgroundColor({ color: "#1d7a4f" });
clear();
for (const ms of CHECKED) setTimeout(check, ms);
