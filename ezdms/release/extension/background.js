// Runs when the browser starts and when the pin is installed. A service worker that the server left here before could
// answer in its place, under no header that this extension sets: it is removed, and what is open is loaded anew.

const { origin, host, releases } = PINNED;
const LONGEST = 20000; // ms of one document after the other of which none is the pinned one
const ANSWER = 5000; // ms for what the server says that it runs

async function clear() {
  const isFirefox = chrome.runtime.getURL("").startsWith("moz-");
  const where = isFirefox ? { hostnames: [host] } : { origins: [origin] };
  await chrome.browsingData.remove(where, { serviceWorkers: true });
}

async function begin() {
  await clear();
  for (const tab of await chrome.tabs.query({ url: `${new URL(origin).protocol}//${host}/*` })) {
    if (tab.url?.startsWith(`${origin}/`)) await chrome.tabs.reload(tab.id, { bypassCache: true });
  }
}

function show() {
  chrome.action.setBadgeText({ text: releases[0].version.split(".").slice(0, 2).join(".") });
  chrome.action.setBadgeBackgroundColor({ color: "#1d7a4f" });
}

// What the server says that it runs; page.js looks at its form.
async function ask() {
  const signal = AbortSignal.timeout(ANSWER);
  const options = { headers: { Accept: "application/json" }, credentials: "omit", redirect: "error", signal };
  const { version } = await (await fetch(`${origin}/deployment`, options)).json();
  return String(version).slice(0, 100);
}

// It is not shown any longer.
async function replace(tab, at, late) {
  const page = new URL(chrome.runtime.getURL("changed.html"));
  page.hash = new URLSearchParams({ said: await ask().catch(() => ""), at, late: late ? "yes" : "" });
  await chrome.tabs.update(tab, { url: page.href });
}

const unjudged = new Map(); // tab → when the first and the last of its documents began, since one was the pinned one

chrome.runtime.onInstalled.addListener(begin);
chrome.runtime.onStartup.addListener(begin);
chrome.runtime.onMessage.addListener(({ is, late }, { tab, url }) => {
  if (!tab || !url?.startsWith(`${origin}/`)) return;
  const now = Date.now();
  const [first, last] = unjudged.get(tab.id) ?? [now, now];
  const since = now - last > LONGEST ? now : first;
  // A page that loads itself anew all the time would never be judged.
  const isChanged = is === "changed" || (is === "begun" && now - since > LONGEST);
  if (is === "pinned" || isChanged) unjudged.delete(tab.id);
  else unjudged.set(tab.id, [since, now]);
  if (isChanged) replace(tab.id, url, late || is === "begun");
});
show();
