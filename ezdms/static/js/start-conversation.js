// <start-conversation>: looks a Search PIN up and checks the answer against the PIN before a word can be typed. With
// `expected`, a conversation's id, it must be the person of that conversation.

import * as crypto from "./crypto.js";
import { onSubmit } from "./dom.js";
import { loadContact } from "./keystore.js";
import { go } from "./navigate.js";
import { isB64u, isText, postForm } from "./server.js";
import { account } from "./session.js";
import { changeContact, stronger } from "./vault.js";

const ADDED = "ezdms-added";
const SWAPPED = "The server answered with a key that does not belong to this Search PIN. Do not go on: "
  + "tell the person you wanted to reach, by another way.";
const ANOTHER = "This Search PIN belongs to someone other than the person in this conversation. Do not trust it.";
const FOUND = { conversation_id: isText, partner_statement: isText, partner_search_salt: isB64u };

// A link `…/#add=PIN` brings a PIN along; the server never sees it. It waits in this tab until somebody is logged in.
function takeAdded() {
  const added = new URLSearchParams(location.hash.slice(1)).get("add");
  if (added === null) return;
  sessionStorage.setItem(ADDED, added.slice(0, 64));
  history.replaceState(null, "", location.pathname);
}
takeAdded();
addEventListener("hashchange", () => { takeAdded(); location.reload(); });
export const addedPin = () => sessionStorage.getItem(ADDED);

customElements.define("start-conversation", class extends HTMLElement {
  connectedCallback() {
    if (this.field) return;
    this.field = this.querySelector("input");
    // Anybody can have made a link, so what it brings verifies nobody, opened or pasted. It counts as the link's,
    // whatever is changed in it, until a person has emptied the field; and again if they undo that.
    let typed = "search-pin";
    let hadLink = false;
    const isOfLink = () => { [typed, hadLink] = ["link", true]; };
    this.field.addEventListener("input", ({ inputType }) => {
      if (!this.field.value) typed = "search-pin";
      else if (this.field.value.includes("add=") || (hadLink && inputType?.startsWith("history"))) isOfLink();
    });
    onSubmit(this, "Looking…", async () => {
      const how = typed; // whatever happens to the field until the answer is there
      const pin = await crypto.normaliseSearchPin(this.field.value.split("add=").at(-1));
      const me = await account;
      const found = await postForm("/start_conversation", { partner_search_pin: pin }, FOUND);
      const partner = await crypto.verifyStatement(found.partner_statement);
      const salt = crypto.b64uDecode(found.partner_search_salt);
      const conversation = await crypto.conversationId(me.fp, partner.fp);
      const commits = await crypto.searchPinCommits(pin, partner.ik, salt);
      if (!commits || conversation !== found.conversation_id) throw new Error(SWAPPED);
      if (this.expected && conversation !== this.expected) throw new Error(ANOTHER);
      const [known, next] = [await loadContact(conversation), await crypto.pinOf(partner)];
      if (known) crypto.checkSuccession(known, next);
      await changeContact(conversation, ({ verified }) =>
        ({ ...next, name: partner.name, verified: stronger(verified, how) }));
      if (this.expected) return this.onVerified(how);
      this.field.value = "";
      typed = "search-pin";
      go(`/c/${conversation}`);
    });
    if (addedPin() === null) return; // of those on a page the first takes it
    this.field.value = addedPin();
    sessionStorage.removeItem(ADDED);
    if (this.field.value) isOfLink();
    this.field.focus();
  }
});
