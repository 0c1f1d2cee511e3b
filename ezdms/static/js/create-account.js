// <create-account>: makes keys and PINs in this browser and registers what the server may know of them.

import * as crypto from "./crypto.js";
import { onSubmit } from "./dom.js";
import { saveAccount } from "./keystore.js";
import { getJson, postForm } from "./server.js";
import { keepNewPin } from "./welcome-card.js";

customElements.define("create-account", class extends HTMLElement {
  connectedCallback() {
    const invitation = this.querySelector("#invitation"); // of a link `…/#invite=TOKEN`; not there on an open server
    if (invitation) invitation.value = new URLSearchParams(location.hash.slice(1)).get("invite") ?? "";
    onSubmit(this, "Making your keys…", async (progress) => {
      const username = this.querySelector("input").value.trim();
      if (!crypto.USERNAME.test(username)) throw new Error("A username has 3 to 32 letters, digits, _ or -.");
      const { deployment_id } = await getJson("/deployment");
      const pin = crypto.newLoginPin();
      const made = await crypto.generateKeys();
      progress("Locking them…");
      const [login, wrapped, statement] = await Promise.all([
        crypto.loginKeys(pin, deployment_id),
        crypto.wrapKeys(pin, made),
        crypto.signStatement(made, username, 1, Date.now()),
      ]);
      const keys = await crypto.unwrapKeys(pin, wrapped, made); // the copies kept are non-extractable
      const search_salt = crypto.b64uEncode(crypto.newSearchSalt());
      progress("Registering…");
      const invited = invitation && { invitation: invitation.value.trim().split("invite=").pop() };
      const fields = { username, ...login, ...wrapped, statement, search_salt, ...invited };
      const account = await postForm("/register", fields);
      await saveAccount({ ...keys, user_id: account.user_id, username });
      keepNewPin(pin);
      location.assign("/welcome");
    });
  }
});
