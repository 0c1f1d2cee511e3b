// Notifications on this device: “New message”, without name or text. A hidden page shows them itself; while no page is
// open, the browser's push service wakes the service worker (worker.js), which exists only while they are on.

import { b64uDecode, b64uEncode } from "./crypto.js";
import { onPress, showAlert } from "./dom.js";
import { ofPlace, PLACE } from "./first.js";
import { WORKER } from "./guard.js";
import { remember, remembered } from "./keystore.js";
import { go } from "./navigate.js";
import { getJson, isB64u, isFlag, postForm } from "./server.js";
import { isOpened } from "./vault.js";
import { say, sentenceOf } from "./words.js";

const ICON = new URL("../icons/icon-192.png", import.meta.url).href;
const SHOWN = { tag: ofPlace("new-message"), icon: ICON }; // as in worker.js
const PUSH = { public_key: isB64u, is_on: isFlag };
const isOn = () => remembered("notifications") === "on" && globalThis.Notification?.permission === "granted";
const toList = () => (document.body.classList.contains("session") ? go("/") : location.assign("/"));
// Each account has a registration of its own, with a push subscription: its scope ends with the account's place.
const placeOf = ({ scope }) => Number(/\/(\d)\/$/.exec(scope)?.[1] ?? 0);
const registrations = async () => (await navigator.serviceWorker?.getRegistrations().catch(() => []) ?? [])
  .filter((one) => placeOf(one) === PLACE);

// A new message has arrived. Nobody is told who is looking at the page.
export async function notify() {
  if (!isOn() || !document.hidden) return;
  const [registration] = await registrations();
  if (registration?.active) return registration.showNotification(say("new-message"), { ...SHOWN, renotify: true });
  try {
    new Notification(say("new-message"), SHOWN).onclick = () => { focus(); toList(); };
  } catch { /* some phones show only those of a service worker */ }
}

const active = (registration) => new Promise((resolve) => {
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return resolve(registration);
  worker.addEventListener("statechange", () => registration.active && resolve(registration));
});

// Subscribe at the browser's push service, and tell the server. Throws a sentence's second half.
async function subscribe() {
  if (isOpened) throw new Error(say("notify-opened"));
  const { public_key: key } = await getJson("/push", PUSH);
  let registration;
  try {
    const options = PLACE ? { scope: `/static/js/${PLACE}/` } : {};
    registration = await active(await navigator.serviceWorker.register(WORKER, options));
  } catch {
    throw new Error(say("notify-no-worker"));
  }
  const { pushManager } = registration;
  try {
    const earlier = await pushManager.getSubscription();
    const isForThis = earlier && b64uEncode(new Uint8Array(earlier.options.applicationServerKey)) === key;
    if (earlier && !isForThis) await earlier.unsubscribe();
    const options = { userVisibleOnly: true, applicationServerKey: b64uDecode(key) };
    const { endpoint, keys: { p256dh, auth } } = (await pushManager.subscribe(options)).toJSON();
    await postForm("/push", { endpoint, p256dh, auth }, PUSH);
  } catch (error) {
    throw error.code && error.status ? error : new Error(say("notify-no-service"));
  }
}

// Nobody is logged in, or notifications are turned off: nothing is left of this account's in this browser.
export async function dropWorker() {
  remember("notifications", "");
  for (const registration of await registrations()) {
    await (await registration.pushManager?.getSubscription().catch(() => null))?.unsubscribe().catch(() => {});
    await registration.unregister();
  }
}

// Once for each page: a subscription can end without anyone being told.
export async function keepNotifying() {
  navigator.serviceWorker?.addEventListener("message", ({ data, ports: [port] }) => {
    if (data !== PLACE) return;
    port.postMessage(""); // the worker brings this page to the front
    toList();
  });
  navigator.serviceWorker?.startMessages();
  if (isOn() && !isOpened && !(await getJson("/push", PUSH)).is_on) await subscribe();
}

customElements.define("notification-settings", class extends HTMLElement {
  connectedCallback() {
    [this.box, this.button] = [this.querySelector("input"), this.querySelector("button")];
    this.#show();
    this.box.addEventListener("change", ({ isTrusted }) => isTrusted && this.#turn(this.box.checked));
    onPress(this.button, () => this.#turn(true));
  }

  #show(sentence = "") {
    this.box.checked = isOn();
    this.button.hidden = isOn();
    showAlert(this, sentence);
  }

  async #turn(on) {
    this.box.checked = on;
    if (!on) {
      await dropWorker();
      if (isOpened) return this.#show();
      return postForm("/push_off", {}, PUSH).then(() => this.#show(), (error) => this.#show(sentenceOf(error)));
    }
    if (!globalThis.Notification) return this.#show(say("notify-missing"));
    if (await Notification.requestPermission() !== "granted") return this.#show(say("notify-denied"));
    remember("notifications", "on");
    this.#show();
    await subscribe().catch((error) => this.#show(say("notify-only-open", { why: sentenceOf(error) })));
  }
});
