// <log-in>: derives login_id and auth_key from the Login PIN, and decrypts the keys. The PIN stays here.

import * as crypto from "./crypto.js";
import { onSubmit } from "./dom.js";
import { saveAccount } from "./keystore.js";
import { deploymentId, isB64u, isId, isNumber, isText, postForm } from "./server.js";
import { comeBack } from "./session.js";
import { syncVault } from "./vault.js";

export const KEYS = { statement: isText, salt: isB64u, iterations: isNumber, wrapped_sig: isB64u, wrapped_enc: isB64u };

customElements.define("log-in", class extends HTMLElement {
  connectedCallback() {
    onSubmit(this, "Checking…", async (progress) => {
      const pin = crypto.normaliseLoginPin(this.querySelector(".pin").value);
      const login = await crypto.loginKeys(pin, await deploymentId());
      try {
        const stored = await postForm("/login", login, { user_id: isId, search_salt: isB64u, ...KEYS });
        progress("Unlocking your keys…");
        const statement = await crypto.verifyStatement(stored.statement);
        const keys = await crypto.unwrapKeys(pin, stored, statement);
        const { user_id, search_salt } = stored;
        crypto.b64uDecode(search_salt, 16);
        const me = { ...keys, user_id, username: statement.name, search_salt };
        await saveAccount(me);
        await comeBack(me);
        await syncVault().catch(() => {}); // each conversation retries, and raises the alarm
      } catch (error) {
        if (!(error.status >= 400)) await postForm("/logout").catch(() => {}); // logged in, but cannot continue
        throw error;
      }
      if (location.pathname === "/") location.assign("/");
      else location.reload();
    });
  }
});
