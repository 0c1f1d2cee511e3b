// <create-account>: creates keys and PINs in this browser, and registers the public part.

import * as crypto from "./crypto.js";
import { onSubmit } from "./dom.js";
import { saveAccount } from "./keystore.js";
import { isPinShaped } from "./pin-shaped.js";
import { deploymentId, isId, postForm } from "./server.js";
import { keepNewPin } from "./welcome-card.js";

const PIN_AS_NAME = "This looks like a Login PIN. Do not type it here; choose another username.";
const LOOKS_LIKE_A_SEARCH_PIN = /^[0-9a-tv-z]{25}$/i; // without dashes; O, I and L mean 0 and 1
const SEARCH_PIN_AS_NAME = "This looks like a Search PIN. Choose another username.";

const TOKEN = /^[\w-]{22}$/; // nothing else may leave this field: a tampered page could ask for a PIN here
function tokenIn(link) {
  const token = link.trim().split("invite=").pop();
  if (!TOKEN.test(token)) throw new Error("This is not an invitation. Paste the whole link you were given.");
  return token;
}

customElements.define("create-account", class extends HTMLElement {
  connectedCallback() {
    const invitation = this.querySelector("#invitation"); // from a link `…/#invite=TOKEN`; missing on an open server
    if (invitation) invitation.value = new URLSearchParams(location.hash.slice(1)).get("invite") ?? "";
    onSubmit(this, "Creating your keys…", async (progress) => {
      const username = this.querySelector("input").value.trim();
      if (!crypto.USERNAME.test(username)) throw new Error("A username has 3 to 32 letters (a to z), digits, _ or -.");
      if (isPinShaped(username)) throw new Error(PIN_AS_NAME);
      if (LOOKS_LIKE_A_SEARCH_PIN.test(username.replaceAll("-", ""))) throw new Error(SEARCH_PIN_AS_NAME);
      const deployment_id = await deploymentId();
      const pin = crypto.newLoginPin();
      const made = await crypto.generateKeys();
      progress("Encrypting them…");
      const [login, wrapped, statement] = await Promise.all([
        crypto.loginKeys(pin, deployment_id),
        crypto.wrapKeys(pin, made),
        crypto.signStatement(made, username, 1, Date.now()),
      ]);
      const keys = await crypto.unwrapKeys(pin, wrapped, made); // the stored copies are non-extractable
      const search_salt = crypto.b64uEncode(crypto.newSearchSalt());
      progress("Registering…");
      const invited = invitation && { invitation: tokenIn(invitation.value) };
      const fields = { username, ...login, ...wrapped, statement, search_salt, ...invited };
      const { user_id } = await postForm("/register", fields, { user_id: isId });
      await saveAccount({ ...keys, user_id, username, search_salt });
      keepNewPin(user_id, pin);
      location.assign("/welcome");
    });
  }
});
