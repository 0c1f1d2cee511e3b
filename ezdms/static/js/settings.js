// The settings: a new Login PIN, deleting the account, logging out, what others learn, and the appearance.

import * as crypto from "./crypto.js";
import { copyFrom, focusLater, offerDownload, onPress, onSubmit, showAlert } from "./dom.js";
import { KEYS } from "./front.js";
import { remember, remembered } from "./keystore.js";
import { offerToManager, proveSaved } from "./pins.js";
import { deploymentId, postForm } from "./server.js";
import { account, eraseAndLeave } from "./session.js";
import { HOST } from "./shell.js";
import { readCode } from "./two-step.js";
import { changeSettings, onSettings } from "./vault.js";

// <change-pin>: a new Login PIN. The keys are encrypted under it here; nothing changes until the user has saved it.

const prefixed = (fields) => Object.fromEntries(Object.entries(fields).map(([name, value]) => [`new_${name}`, value]));

customElements.define("change-pin", class extends HTMLElement {
  connectedCallback() {
    const [ask, confirm] = this.querySelectorAll("form");
    const second = ask.querySelector(".second");
    let deployment, change, nextLogin; // posted once the new PIN is saved
    onSubmit(ask, "Checking…", async (progress, focus) => {
      const me = await account;
      const pin = crypto.normaliseLoginPin(ask.querySelector(".pin").value);
      deployment = await deploymentId();
      const login = await crypto.loginKeys(pin, deployment);
      const code = second.hidden ? null : { code: readCode(second.querySelector("input").value) };
      const stored = await postForm("/private_keys", { ...login, ...code }, KEYS).catch((error) => {
        if (error.code === "second_step") second.hidden = false;
        throw error;
      });
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
        const asksForCode = ({ code }) => code === "second_step"; // only after the right PIN
        const isDone = error.code === "wrong_pin"
          && await postForm("/private_keys", nextLogin, KEYS).catch(asksForCode);
        if (!isDone) throw error;
      }
      confirm.hidden = true;
      this.querySelector(".notice").hidden = false;
    });
  }
});

// <delete-account>: permanent; requires the Login PIN and the user's key. Also deletes everything in this browser.
customElements.define("delete-account", class extends HTMLElement {
  connectedCallback() {
    onSubmit(this, "Deleting…", async () => {
      const pin = crypto.normaliseLoginPin(this.querySelector(".pin").value);
      const deployment = await deploymentId();
      const login = await crypto.loginKeys(pin, deployment);
      const act = await crypto.signAct(await account, deployment, "delete_account", "", Date.now());
      await eraseAndLeave("deleted_here", () => postForm("/delete_account", { ...login, act }));
    });
  }
});

// <log-out>: asks once, then ends the session and erases everything in this browser.
customElements.define("log-out", class extends HTMLElement {
  connectedCallback() {
    const [ask, stay, leave] = this.querySelectorAll("button");
    const question = this.querySelector(".question");
    const show = (isAsked, focused) => {
      const focus = focusLater();
      [question.hidden, ask.hidden, stay.hidden, leave.hidden] = [!isAsked, isAsked, !isAsked, !isAsked];
      showAlert(this);
      focus(focused);
    };
    addEventListener("online", () => showAlert(this));
    onPress(ask, () => show(true, stay));
    onPress(stay, () => show(false, ask));
    onPress(leave, async () => {
      const end = () => postForm("/logout").catch((error) => { if (error.status !== 401) throw error; }); // had ended
      await eraseAndLeave("logged_out", end).catch((error) => showAlert(this, error.message));
    });
  }
});

// <color-scheme>: light, dark, or as the system. scheme.js applies it when a page is loaded.
customElements.define("color-scheme", class extends HTMLElement {
  connectedCallback() {
    for (const button of this.querySelectorAll("button")) onPress(button, () => this.#choose(button.dataset.do));
    this.#show();
  }

  #choose(scheme) {
    remember("scheme", scheme === "system" ? "" : scheme);
    document.documentElement.dataset.scheme = remembered("scheme");
    this.#show();
  }

  #show() {
    const chosen = remembered("scheme") || "system";
    for (const button of this.querySelectorAll("button")) button.ariaPressed = String(button.dataset.do === chosen);
  }
});

// <signal-settings>: read receipts and typing signals, on all of the user's devices.
customElements.define("signal-settings", class extends HTMLElement {
  connectedCallback() {
    const boxes = [...this.querySelectorAll("input")];
    onSettings((settings) => boxes.forEach((box) => { box.checked = settings[box.dataset.do]; }));
    for (const box of boxes) {
      box.addEventListener("change", ({ isTrusted }) => {
        const undo = () => { box.checked = !box.checked; }; // the page has said why it cannot be stored
        if (isTrusted) changeSettings({ [box.dataset.do]: box.checked }).catch(undo);
      });
    }
  }
});
