// Runs when the browser starts and when the pin is installed. A service worker that the server left here before could
// answer in its place, under no header that this extension sets: it is removed, and what is open is loaded anew.

const { origin, host, releases } = PINNED;

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

chrome.runtime.onInstalled.addListener(begin);
chrome.runtime.onStartup.addListener(begin);
// A page told nothing of its pinned scripts: it is not shown any longer.
chrome.runtime.onMessage.addListener(({ said }, { tab, url }) => {
  if (!url?.startsWith(`${origin}/`) || !tab) return;
  const page = new URL(chrome.runtime.getURL("changed.html"));
  page.hash = new URLSearchParams({ said: String(said).slice(0, 40), at: url });
  chrome.tabs.update(tab.id, { url: page.href });
});
show();
