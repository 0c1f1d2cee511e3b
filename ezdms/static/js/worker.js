// The service worker, only there while notifications are on: shows one when a push of the server arrives. It handles no
// requests, and its scope contains no page: it ends with the place of an account (first.js).

const PLACE = Number(/\/(\d)\/$/.exec(registration.scope)?.[1] ?? 0);
const SHOWN = { tag: PLACE ? `new-message-${PLACE}` : "new-message", icon: "../icons/icon-192.png" };
const WORDS = { en: "New message", es: "Mensaje nuevo" }; // as in the catalogs, by the language of the browser
const JUST = 10000; // ms: a page has just shown the same
const ANSWER = 500; // ms

const pages = () => clients.matchAll({ type: "window", includeUncontrolled: true });

async function show() {
  const [shown] = await registration.getNotifications({ tag: SHOWN.tag });
  const renotify = !(shown && Date.now() - shown.timestamp < JUST);
  const said = WORDS[navigator.language.slice(0, 2)] ?? WORDS.en;
  await registration.showNotification(said, { ...SHOWN, renotify });
}

// True if the page shows this account. It then goes to the list.
const goesToList = (page) => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => resolve(true);
  setTimeout(() => resolve(false), ANSWER);
  page.postMessage(PLACE, [port2]);
});

async function openList() {
  for (const page of await pages()) if (await goesToList(page)) return page.focus();
  return clients.openWindow(`/#account=${PLACE}`);
}

addEventListener("install", () => skipWaiting());
addEventListener("push", (event) => event.waitUntil(show())); // whatever it says
addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openList());
});
