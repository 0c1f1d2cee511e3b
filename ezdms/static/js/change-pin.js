// <change-pin>: a new Login PIN. The keys are encrypted under it here; nothing changes until the user has saved it.

import * as crypto from "./crypto.js";
import { copyFrom, offerDownload, onPress, onSubmit } from "./dom.js";
import { KEYS } from "./log-in.js";
import { deploymentId, postForm } from "./server.js";
import { account } from "./session.js";
import { HOST } from "./shell.js";
import { offerToManager, proveSaved } from "./welcome-card.js";

const prefixed = (fields) => Object.fromEntries(Object.entries(fields).map(([name, value]) => [`new_${name}`, value]));

customElements.define("change-pin", class extends HTMLElement {
  connectedCallback() {
    const [ask, confirm] = this.querySelectorAll("form");
    let deployment, change, nextLogin; // posted once the new PIN is saved
    onSubmit(ask, "Checking…", async (progress, focus) => {
      const me = await account;
      const pin = crypto.normaliseLoginPin(ask.querySelector(".pin").value);
      deployment = await deploymentId();
      const login = await crypto.loginKeys(pin, deployment);
      const stored = await postForm("/private_keys", login, KEYS);
      progress("Encrypting your keys…");
      const keys = await crypto.unwrapKeys(pin, stored, me, true); // one's own public keys, not the server's
      const next = crypto.newLoginPin();
      nextLogin = await crypto.loginKeys(next, deployment);
      change = { ...login, ...prefixed({ ...nextLogin, ...await crypto.wrapKeys(next, keys) }) };
      const shown = crypto.showLoginPin(next);
      this.querySelector("output").textContent = shown;
      const text = `EZ-DMS at ${HOST.server}\nUsername: ${me.username}\n`
        + `New Login PIN (secret, nobody can restore it): ${shown}\n`;
      const today = new Date().toISOString().slice(0, 10);
      offerDownload(this.querySelector("[data-do=download]"), `ezdms-${me.username}-${today}.txt`, text);
      [ask.hidden, confirm.hidden] = [true, false];
      offerToManager(confirm, me, shown);
      focus(confirm.querySelector(".proof"));
    });
    const copy = this.querySelector("[data-do=copy]");
    onPress(copy, () => copyFrom(copy, this.querySelector("output").textContent));
    onPress(this.querySelector("[data-do=print]"), () => print());
    onSubmit(confirm, "Changing…", async () => {
      proveSaved(confirm, this.querySelector("output").textContent);
      const purpose = await crypto.changePinPurpose(change);
      const act = await crypto.signAct(await account, deployment, "change_pin", purpose, Date.now());
      try {
        await postForm("/change_pin", { ...change, act });
      } catch (error) { // an earlier try may have worked
        const isDone = error.code === "wrong_pin" && await postForm("/private_keys", nextLogin, KEYS).catch(() => null);
        if (!isDone) throw error;
      }
      confirm.hidden = true;
      this.querySelector(".notice").hidden = false;
    });
  }
});
