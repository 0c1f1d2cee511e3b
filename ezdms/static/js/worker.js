// The service worker, only there while notifications are on: shows one when a push of the server arrives. It handles no
// requests, and its scope contains no page.

const SHOWN = { tag: "new-message", icon: "../icons/icon-192.png" };
const JUST = 10000; // ms: a page has just shown the same

const pages = () => clients.matchAll({ type: "window", includeUncontrolled: true });

async function show() {
  const [shown] = await registration.getNotifications({ tag: SHOWN.tag });
  const renotify = !(shown && Date.now() - shown.timestamp < JUST);
  await registration.showNotification("New message", { ...SHOWN, renotify });
}

async function openList() {
  const [page] = await pages();
  if (!page) return clients.openWindow("/");
  page.postMessage("list");
  await page.focus();
}

addEventListener("install", () => skipWaiting());
addEventListener("push", (event) => event.waitUntil(show())); // whatever it says
addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openList());
});
