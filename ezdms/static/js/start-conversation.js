// <start-conversation>: looks a Search PIN up and checks the answer against the PIN before a word can be typed. With
// `data-expected`, a conversation's id, it must be the person of that conversation.

import * as crypto from "./crypto.js";
import { onSubmit } from "./dom.js";
import { loadAccount, loadContact } from "./keystore.js";
import { postForm } from "./server.js";
import { changeContact } from "./vault.js";

const ADDED = "ezdms-added";
const SWAPPED = "The server answered with a key that does not belong to this Search PIN. Do not go on: "
  + "tell the person you wanted to reach, by another way.";
const ANOTHER = "This Search PIN belongs to somebody else than the person in this conversation. Do not trust it.";

// A link `…/#add=PIN` brings a PIN along; the server never sees it. It waits in this tab until somebody is logged in.
function takeAdded() {
  const added = new URLSearchParams(location.hash.slice(1)).get("add");
  if (added === null) return;
  sessionStorage.setItem(ADDED, added.slice(0, 64));
  history.replaceState(null, "", location.pathname);
}
takeAdded();
addEventListener("hashchange", () => { takeAdded(); location.reload(); });
const notice = document.querySelector("[data-added]");
if (notice) notice.hidden = sessionStorage.getItem(ADDED) === null;

customElements.define("start-conversation", class extends HTMLElement {
  connectedCallback() {
    const { searchPin, expected } = this.dataset;
    const field = this.querySelector("input");
    onSubmit(this, "Looking…", async () => {
      const pin = await crypto.normaliseSearchPin(field.value);
      if (pin === searchPin) throw new Error("This is your own Search PIN. Ask the other person for theirs.");
      const me = await loadAccount();
      const found = await postForm("/start_conversation", { partner_search_pin: pin });
      const partner = await crypto.verifyStatement(found.partner_statement);
      const salt = crypto.b64uDecode(found.partner_search_salt, 16);
      const conversation = await crypto.conversationId(me.fp, partner.fp);
      const commits = await crypto.searchPinCommits(pin, partner.ik, salt);
      if (!commits || conversation !== found.conversation_id) throw new Error(SWAPPED);
      if (expected && conversation !== expected) throw new Error(ANOTHER);
      const [known, next] = [await loadContact(conversation), await crypto.pinOf(partner)];
      if (known) crypto.checkSuccession(known, next);
      await changeContact(conversation, () => ({ ...next, name: partner.name, verified: "search-pin" }));
      if (expected) return this.dispatchEvent(new CustomEvent("verified", { bubbles: true }));
      location.assign(`/c/${conversation}`);
    });
    if (expected || sessionStorage.getItem(ADDED) === null) return;
    field.value = sessionStorage.getItem(ADDED);
    sessionStorage.removeItem(ADDED);
    field.focus();
  }
});
