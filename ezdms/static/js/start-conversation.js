// <start-conversation>: looks a Search PIN up and checks the answer against the PIN before a word can be typed.

import * as crypto from "./crypto.js";
import { onSubmit } from "./dom.js";
import { loadAccount, loadContact, saveContact } from "./keystore.js";
import { postForm } from "./server.js";

customElements.define("start-conversation", class extends HTMLElement {
  connectedCallback() {
    onSubmit(this, "Looking…", async () => {
      const pin = await crypto.normaliseSearchPin(this.querySelector("input").value);
      if (pin === this.dataset.searchPin) {
        throw new Error("This is your own Search PIN. Ask the other person for theirs.");
      }
      const me = await loadAccount();
      const found = await postForm("/start_conversation", { partner_search_pin: pin });
      const partner = await crypto.verifyStatement(found.partner_statement);
      const salt = crypto.b64uDecode(found.partner_search_salt, 16);
      const conversation = await crypto.conversationId(me.fp, partner.fp);
      if (!(await crypto.searchPinCommits(pin, partner.ik, salt)) || conversation !== found.conversation_id) {
        throw new Error("The server answered with a key that does not belong to this Search PIN. Do not go on: "
          + "tell the person you wanted to reach, by another way.");
      }
      const known = await loadContact(conversation);
      if (known) crypto.checkSuccession(await crypto.verifyStatement(known.statement), partner);
      await saveContact(conversation, { statement: found.partner_statement, verified: "search-pin" });
      location.assign(`/c/${conversation}`);
    });
  }
});
