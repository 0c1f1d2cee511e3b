// <welcome-card>: shows the new Login PIN until it is saved. It is kept only in this tab, and survives a reload.

import { showLoginPin } from "./crypto.js";
import { copyFrom, offerDownload, onPress } from "./dom.js";
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

customElements.define("welcome-card", class extends HTMLElement {
  async connectedCallback() {
    const me = await account;
    const pin = showLoginPin(newPinOf(me));
    const searchPin = await ownSearchPin(me, me.search_salt);
    const output = (name) => this.querySelector(`[data-testid=${name}]`);
    this.querySelector("[data-username]").textContent = me.username;
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
    const [form, box] = [this.querySelector("form"), this.querySelector("[type=checkbox]")];
    box.addEventListener("change", () => { form.querySelector("button").disabled = !box.checked; });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!event.isTrusted) return;
      sessionStorage.removeItem(KEY);
      location.assign("/");
    });
  }
});
