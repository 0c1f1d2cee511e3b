// <welcome-card>: shows the new Login PIN until it is saved. It lives in this tab alone, so a reload does not lose it.

import { showLoginPin } from "./crypto.js";
import { copyFrom, offerDownload } from "./dom.js";

const KEY = "ezdms-new-login-pin";
export const keepNewPin = (pin) => sessionStorage.setItem(KEY, pin);
export const hasNewPin = () => sessionStorage.getItem(KEY) !== null;

customElements.define("welcome-card", class extends HTMLElement {
  connectedCallback() {
    if (!hasNewPin()) return location.replace("/");
    const pin = showLoginPin(sessionStorage.getItem(KEY));
    const output = (name) => this.querySelector(`[data-testid=${name}]`);
    output("login-pin").textContent = pin;
    for (const button of this.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => copyFrom(button, output(button.dataset.copy).textContent));
    }
    this.querySelector("[data-do=print]").addEventListener("click", () => print());
    const text = `EZ-DMS at ${location.origin}\nUsername: ${this.dataset.username}\n`
      + `Login PIN (secret, nobody can restore it): ${pin}\n`
      + `Search PIN (for your contacts): ${output("search-pin").textContent}\n`;
    offerDownload(this.querySelector("[data-do=download]"), text);
    const [form, box] = [this.querySelector("form"), this.querySelector("[type=checkbox]")];
    box.addEventListener("change", () => { form.querySelector("button").disabled = !box.checked; });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      sessionStorage.removeItem(KEY);
      location.assign("/");
    });
  }
});
