// <welcome-card>: shows the new Login PIN until it is saved. It is kept only in this tab, and survives a reload.

import { showLoginPin } from "./crypto.js";
import { copyFrom, offerDownload, onPress, onSubmit, showUsername } from "./dom.js";
import { account, ownSearchPin } from "./session.js";
import { HOST } from "./shell.js";

const KEY = "ezdms-new-login-pin";
export const keepNewPin = (userId, pin) => sessionStorage.setItem(KEY, `${userId} ${pin}`);
// Only of this account: another tab may have created another one.
const newPinOf = ({ user_id: userId }) => {
  const [whose, pin] = (sessionStorage.getItem(KEY) ?? "").split(" ");
  return whose === userId ? pin : null;
};
export const hasNewPin = (account) => newPinOf(account) !== null;

// Throws unless the form's field has the end of this PIN, or all of it.
const UNPROVEN = "This is not how your Login PIN ends. Compare it with what you saved, and type the last 4 characters.";
export function proveSaved(form, pin) {
  const typed = form.querySelector(".proof").value.toUpperCase().replace(/[\s-]/g, "");
  const read = typed.replaceAll("O", "0").replace(/[IL]/g, "1");
  if (read.length < 4 || !pin.replaceAll("-", "").endsWith(read)) throw new Error(UNPROVEN);
}

// Give the new PIN to the browser’s password manager: a field that only it reads.
export function offerToManager(form, { username }, pin) {
  showUsername(form, username);
  form.querySelector("[data-new-pin]").value = pin;
}

customElements.define("welcome-card", class extends HTMLElement {
  async connectedCallback() {
    const me = await account;
    const pin = showLoginPin(newPinOf(me));
    const searchPin = await ownSearchPin(me, me.search_salt);
    const output = (name) => this.querySelector(`[data-testid=${name}]`);
    showUsername(this, me.username);
    output("login-pin").textContent = pin;
    output("search-pin").textContent = searchPin;
    for (const button of this.querySelectorAll("[data-copy]")) {
      onPress(button, () => copyFrom(button, output(button.dataset.copy).textContent));
    }
    onPress(this.querySelector("[data-do=print]"), () => print());
    const text = `EZ-DMS at ${HOST.server}\nUsername: ${me.username}\n`
      + `Login PIN (secret, nobody can restore it): ${pin}\n`
      + `Search PIN (for your contacts): ${searchPin}\n`;
    offerDownload(this.querySelector("[data-do=download]"), `ezdms-${me.username}.txt`, text);
    offerToManager(this, me, pin);
    onSubmit(this, "Checking…", () => {
      proveSaved(this, pin);
      sessionStorage.removeItem(KEY);
      location.assign("/");
    });
  }
});
