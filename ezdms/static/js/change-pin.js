// <change-pin>: a new Login PIN. The keys are locked under it here; nothing changes before the person has saved it.

import * as crypto from "./crypto.js";
import { copyFrom, offerDownload, onSubmit } from "./dom.js";
import { getJson, postForm } from "./server.js";

const prefixed = (fields) => Object.fromEntries(Object.entries(fields).map(([name, value]) => [`new_${name}`, value]));

customElements.define("change-pin", class extends HTMLElement {
  connectedCallback() {
    const [ask, confirm] = this.querySelectorAll("form");
    let change, nextLogin; // what is posted once the new PIN is saved
    onSubmit(ask, "Checking…", async (progress) => {
      const pin = crypto.normaliseLoginPin(ask.querySelector("input").value);
      const { deployment_id } = await getJson("/deployment");
      const login = await crypto.loginKeys(pin, deployment_id);
      const stored = await postForm("/private_keys", login);
      progress("Locking your keys…");
      const statement = await crypto.verifyStatement(stored.statement);
      const keys = await crypto.unwrapKeys(pin, stored, statement, true);
      const next = crypto.newLoginPin();
      nextLogin = await crypto.loginKeys(next, deployment_id);
      const wrapped = await crypto.wrapKeys(next, { ...statement, ...keys });
      change = { ...login, ...prefixed({ ...nextLogin, ...wrapped }) };
      const shown = crypto.showLoginPin(next);
      this.querySelector("output").textContent = shown;
      const text = `New Login PIN (secret, nobody can restore it): ${shown}\n`;
      offerDownload(this.querySelector("[data-do=download]"), text);
      [ask.hidden, confirm.hidden] = [true, false];
      confirm.querySelector("input").focus();
    });
    const copy = this.querySelector("[data-do=copy]");
    copy.addEventListener("click", () => copyFrom(copy, this.querySelector("output").textContent));
    onSubmit(confirm, "Changing…", async () => {
      if (!confirm.querySelector("input").checked) throw new Error("Save your new Login PIN first, then tick the box.");
      try {
        await postForm("/change_pin", change);
      } catch (error) { // an earlier try may have worked, and its answer was lost
        if (error.code !== "wrong_pin" || !(await postForm("/private_keys", nextLogin).catch(() => null))) throw error;
      }
      confirm.hidden = true;
      this.querySelector(".notice").hidden = false;
    });
  }
});
