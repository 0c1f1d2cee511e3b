// <my-search-pin>: one's own Search PIN, recomputed here, so that no server can make one hand out somebody else's.

import * as crypto from "./crypto.js";
import { copyFrom, showAlert } from "./dom.js";
import { loadAccount } from "./keystore.js";

customElements.define("my-search-pin", class extends HTMLElement {
  async connectedCallback() {
    const { searchPin, searchSalt } = this.dataset;
    const button = this.querySelector("button");
    button.addEventListener("click", () => copyFrom(button, searchPin));
    const account = await loadAccount();
    if (!account) return;
    if (await crypto.searchPinCommits(searchPin, account.ik, crypto.b64uDecode(searchSalt, 16))) return;
    this.querySelector("output").textContent = "";
    button.disabled = true;
    showAlert(this, "The server shows a Search PIN that is not yours. Do not use this server.");
  }
});
