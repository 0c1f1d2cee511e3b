// “New chat”: the form to start a conversation, and the user's own Search PIN, computed here from their key, so that it
// is theirs whatever the server says. It is open by itself while there are no conversations. <welcome-card> shows the
// new Login PIN until it is saved; that is kept only in this tab, and survives a reload.

import { b64uEncode, newSearchSalt, showLoginPin, signAct } from "./crypto.js";
import {
  copyFrom, drawQr, focusIfFree, focusLater, offerDownload, onPress, onSubmit, showAlert, showUsername,
} from "./dom.js";
import { ADDED, NEW_PIN as KEY } from "./first.js";
import { deploymentId, isB64u, isText, postForm } from "./server.js";
import { account, getStanding, ownSearchPin } from "./session.js";
import { HOST } from "./shell.js";
import * as crypto from "./crypto.js";
import { onCount } from "./conversation-list.js";
import { loadContact } from "./keystore.js";
import { go } from "./navigate.js";
import { meet, stateOf } from "./remembered.js";
import { changeContact, stronger } from "./vault.js";
import { say } from "./words.js";

const FOUND = { conversation_id: isText, partner_statement: isText, partner_search_salt: isB64u };

let button;
let panel; // a <dialog>, not modal: the list stays usable
let isEmpty = false; // there are no conversations
let isAsked = false; // the user opened or closed it

const field = () => panel.querySelector("input");

function show(isOpen) {
  panel.open = isOpen;
  button.ariaExpanded = String(isOpen);
}

// Opens or closes it for the user.
function openNewChat(isOpen = true, focus = focusLater()) {
  if (!panel) return;
  isAsked = true;
  show(isOpen);
  if (isOpen) focus(field());
}

// Open it by itself while the list is empty. If it is in use when the first conversation arrives, it stays.
onCount((count) => {
  if (!panel || isEmpty === !count) return;
  isEmpty = !count;
  const isInUse = isAsked || field().value || panel.contains(document.activeElement);
  if (!isInUse) show(isEmpty);
});

// A shortcut of the installed page (manifest.webmanifest) opens it.
export function openForShortcut() {
  if (location.hash !== "#new-chat") return;
  history.replaceState(history.state, "", location.pathname);
  openNewChat();
}

export function useNewChat(page) {
  [button, panel] = ["#to-new-chat", "#new-chat"].map((id) => page.querySelector(id));
  onPress(button, () => openNewChat(isEmpty || !panel.open));
  for (const element of [button, panel]) {
    element.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || !panel.open) return;
      openNewChat(false);
      focusLater()(button);
    });
  }
}

// The PIN in a link `…/#add=PIN` is never sent to the server. It is kept in this tab until someone is logged in.
function takeAdded() {
  const added = new URLSearchParams(location.hash.slice(1)).get("add");
  if (added === null) return;
  sessionStorage.setItem(ADDED, added.slice(0, 64));
  history.replaceState(null, "", location.pathname);
}
takeAdded();
addEventListener("hashchange", () => { takeAdded(); location.reload(); });
export function addedPin() {
  try { return sessionStorage.getItem(ADDED); } catch { return null; } // storage is blocked
}

// <start-conversation>: looks up a Search PIN, and checks the response against the PIN before anything can be typed.
// With `expected`, a conversation id, the PIN must belong to the person in that conversation.
customElements.define("start-conversation", class extends HTMLElement {
  connectedCallback() {
    if (this.field) return;
    this.field = this.querySelector("input");
    // Anyone could have made a link, so a PIN from a link does not verify, whether opened or pasted. The text counts as
    // from the link, even if edited, until the user empties the field; and again if they undo that.
    let typed = "search-pin";
    let hadLink = false;
    const isOfLink = () => { [typed, hadLink] = ["link", true]; };
    this.field.addEventListener("input", ({ inputType }) => {
      if (!this.field.value) typed = "search-pin";
      else if (this.field.value.includes("add=") || (hadLink && inputType?.startsWith("history"))) isOfLink();
    });
    onSubmit(this, say("looking"), async (_, focus) => {
      const [how, { value }] = [typed, this.field]; // the field may change before the response arrives
      const pin = await crypto.normaliseSearchPin(value.split("add=").at(-1));
      const me = await account;
      const found = await postForm("/start_conversation", { partner_search_pin: pin }, FOUND);
      const partner = await crypto.verifyStatement(found.partner_statement);
      const salt = crypto.b64uDecode(found.partner_search_salt);
      const conversation = await crypto.conversationId(me.fp, partner.fp);
      const commits = await crypto.searchPinCommits(pin, partner.ik, salt);
      if (!commits || conversation !== found.conversation_id) throw new Error(say("pin-swapped"));
      if (this.expected && conversation !== this.expected) throw new Error(say("pin-of-another"));
      const [known, next] = [await loadContact(conversation), await crypto.pinOf(partner)];
      if (known) crypto.checkSuccession(known, next);
      await changeContact(conversation, (contact) => {
        const isRequest = stateOf({ ...contact, verified: "" }) === "request"; // whoever starts has accepted
        const met = isRequest && { met: meet({ ...contact, verified: "" }, { accepted: true }, Date.now()) };
        return { ...next, name: partner.name, verified: stronger(contact.verified, how), ...met };
      });
      if (this.expected) return this.onVerified(how, focus);
      if (this.field.value === value) [this.field.value, typed] = ["", "search-pin"];
      if (!focus()) { // the user is busy elsewhere by now
        this.querySelector(".help").textContent = say("in-your-list", { name: partner.name });
        return;
      }
      openNewChat(false);
      go(`/c/${conversation}`);
    });
    if (addedPin() === null) return; // the first one on a page takes it
    this.field.value = addedPin();
    sessionStorage.removeItem(ADDED);
    if (this.field.value) isOfLink();
    openNewChat(true, focusIfFree());
  }
});

export const keepNewPin = (userId, pin) => sessionStorage.setItem(KEY, `${userId} ${pin}`);
// Only of this account: another tab may have created another one.
const newPinOf = ({ user_id: userId }) => {
  const [whose, pin] = (sessionStorage.getItem(KEY) ?? "").split(" ");
  return whose === userId ? pin : null;
};
export const hasNewPin = (account) => newPinOf(account) !== null;

// Throws unless the form's field has the end of this PIN, or all of it.
export function proveSaved(form, pin, sentence = say("pin-unproven")) {
  const typed = form.querySelector(".proof").value.toUpperCase().replace(/[\s-]/g, "");
  const read = typed.replaceAll("O", "0").replace(/[IL]/g, "1");
  if (read.length < 4 || !pin.replaceAll("-", "").endsWith(read)) throw new Error(sentence);
}

// Give the new PIN to the browser’s password manager: a field that only it reads.
export function offerToManager(form, { username }, pin) {
  showUsername(form, username);
  form.querySelector("[data-new-pin]").value = pin;
}

customElements.define("welcome-card", class extends HTMLElement {
  async connectedCallback() {
    const me = await account;
    const pin = showLoginPin(newPinOf(me));
    const searchPin = await ownSearchPin(me, me.search_salt);
    const output = (name) => this.querySelector(`[data-testid=${name}]`);
    showUsername(this, me.username);
    output("login-pin").textContent = pin;
    output("search-pin").textContent = searchPin;
    for (const button of this.querySelectorAll("[data-copy]")) {
      onPress(button, () => copyFrom(button, output(button.dataset.copy).textContent));
    }
    onPress(this.querySelector("[data-do=print]"), () => print());
    const text = [say("file-host", { host: HOST.server }), say("file-username", { name: me.username }),
      say("file-login-pin", { pin }), say("file-search-pin", { pin: searchPin })].map((line) => `${line}\n`).join("");
    offerDownload(this.querySelector("[data-do=download]"), `ezdms-${me.username}.txt`, text);
    offerToManager(this, me, pin);
    onSubmit(this, say("checking"), () => {
      proveSaved(this, pin);
      sessionStorage.removeItem(KEY);
      location.assign("/");
    });
  }
});

customElements.define("my-search-pin", class extends HTMLElement {
  async connectedCallback() {
    try {
      const me = await account;
      // another device may have replaced it; shown even if the server cannot be reached
      const { search_salt: salt } = await getStanding().catch(() => me);
      await this.#show(await ownSearchPin(me, salt));
    } catch {
      showAlert(this, say("search-pin-unknown"));
    }
  }

  async #show(searchPin) {
    this.querySelector("output").textContent = searchPin;
    this.#offer("copy", (button) => copyFrom(button, searchPin));
    if (!this.querySelector("canvas")) return; // next to the list, only the PIN is shown
    const link = `${HOST.server}/#add=${searchPin}`; // the part after # is never sent to a server
    this.querySelector("code").textContent = link;
    this.querySelector(".link").hidden = false;
    this.#offer("copy-link", (button) => copyFrom(button, link));
    const letter = { title: "EZ-DMS", text: say("search-pin-letter", { pin: searchPin }), url: link };
    if (navigator.canShare?.(letter)) this.#offer("share", () => navigator.share(letter).catch(() => {})); // canceled
    drawQr(this.querySelector("canvas"), link);
  }

  #offer(name, work) {
    const button = this.querySelector(`[data-do=${name}]`);
    onPress(button, () => work(button));
    button.hidden = button.disabled = false;
  }
});

// <new-search-pin>: replaces the Search PIN. The new one commits to the same key, so conversations stay as they are.
customElements.define("new-search-pin", class extends HTMLElement {
  connectedCallback() {
    const question = this.querySelector("[data-asked]");
    onSubmit(this, say("replacing"), async () => {
      if (question.hidden) { // ask once
        question.hidden = false;
        return;
      }
      const search_salt = b64uEncode(newSearchSalt());
      const act = await signAct(await account, await deploymentId(), "search_pin", search_salt, Date.now());
      await postForm("/search_pin", { search_salt, act });
      location.reload();
    });
  }
});
