// “New chat”: the form to start a conversation, and the user's own Search PIN. Open by itself while there are no
// conversations.

import * as crypto from "./crypto.js";
import { onCount } from "./conversation-list.js";
import { focusIfFree, focusLater, onPress, onSubmit } from "./dom.js";
import { ADDED } from "./first.js";
import { loadContact } from "./keystore.js";
import { go } from "./navigate.js";
import { meet, stateOf } from "./remembered.js";
import { isB64u, isText, postForm } from "./server.js";
import { account } from "./session.js";
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
