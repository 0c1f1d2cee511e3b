// <log-in>: turns the Login PIN into a login_id and an auth_key, and unlocks the keys. The PIN stays here.

import * as crypto from "./crypto.js";
import { onSubmit } from "./dom.js";
import { saveAccount } from "./keystore.js";
import { getJson, postForm } from "./server.js";
import { syncVault } from "./vault.js";

customElements.define("log-in", class extends HTMLElement {
  connectedCallback() {
    onSubmit(this, "Checking…", async (progress) => {
      const pin = crypto.normaliseLoginPin(this.querySelector("input").value);
      const { deployment_id } = await getJson("/deployment");
      const account = await postForm("/login", await crypto.loginKeys(pin, deployment_id));
      progress("Unlocking your keys…");
      try {
        const statement = await crypto.verifyStatement(account.statement);
        const keys = await crypto.unwrapKeys(pin, account, statement);
        await saveAccount({ ...keys, user_id: account.user_id, username: account.username });
        await syncVault().catch(() => {}); // each conversation asks again, and raises the alarm
      } catch (error) {
        await postForm("/logout");
        throw error;
      }
      if (location.pathname === "/") location.assign("/");
      else location.reload();
    });
  }
});
