// <my-search-pin>: one's own Search PIN, recomputed here, so that no server can make one hand out somebody else's.

import * as crypto from "./crypto.js";
import { copyFrom, showAlert } from "./dom.js";
import { loadAccount } from "./keystore.js";
import { drawQr } from "./qr-code.js";

customElements.define("my-search-pin", class extends HTMLElement {
  async connectedCallback() {
    const { searchPin, searchSalt } = this.dataset;
    const account = await loadAccount();
    if (account && !(await crypto.searchPinCommits(searchPin, account.ik, crypto.b64uDecode(searchSalt, 16)))) {
      this.querySelector("output").textContent = "";
      return showAlert(this, "The server shows a Search PIN that is not yours. Do not use this server.");
    }
    this.#offer("copy", (button) => copyFrom(button, searchPin));
    if (!this.querySelector("canvas")) return; // beside the list only the PIN is shown
    const link = `${location.origin}/#add=${searchPin}`; // what stands after # never reaches a server
    this.querySelector("code").textContent = link;
    this.querySelector(".link").hidden = false;
    this.#offer("copy-link", (button) => copyFrom(button, link));
    const letter = { title: "EZ-DMS", text: `My Search PIN for EZ-DMS: ${searchPin}`, url: link };
    if (navigator.canShare?.(letter)) this.#offer("share", () => navigator.share(letter).catch(() => {})); // cancelled
    await drawQr(this.querySelector("canvas"), link);
  }

  #offer(name, work) {
    const button = this.querySelector(`[data-do=${name}]`);
    button.addEventListener("click", () => work(button));
    button.hidden = button.disabled = false;
  }
});
