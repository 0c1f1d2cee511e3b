// <my-search-pin>: one's own Search PIN, computed here from one's own key: whatever the server says, it is one's own.

import { copyFrom, onPress, showAlert } from "./dom.js";
import { drawQr } from "./qr-code.js";
import { account, getStanding, ownSearchPin } from "./session.js";
import { HOST } from "./shell.js";

customElements.define("my-search-pin", class extends HTMLElement {
  async connectedCallback() {
    try {
      const me = await account;
      // another device may have renewed it; a server that cannot be reached hides nothing
      const { search_salt: salt } = await getStanding().catch(() => me);
      await this.#show(await ownSearchPin(me, salt));
    } catch {
      showAlert(this, "Your Search PIN is not known here. Log in again to see it.");
    }
  }

  async #show(searchPin) {
    this.querySelector("output").textContent = searchPin;
    this.#offer("copy", (button) => copyFrom(button, searchPin));
    if (!this.querySelector("canvas")) return; // beside the list only the PIN is shown
    const link = `${HOST.server}/#add=${searchPin}`; // what stands after # never reaches a server
    this.querySelector("code").textContent = link;
    this.querySelector(".link").hidden = false;
    this.#offer("copy-link", (button) => copyFrom(button, link));
    const letter = { title: "EZ-DMS", text: `My Search PIN for EZ-DMS: ${searchPin}`, url: link };
    if (navigator.canShare?.(letter)) this.#offer("share", () => navigator.share(letter).catch(() => {})); // cancelled
    drawQr(this.querySelector("canvas"), link);
  }

  #offer(name, work) {
    const button = this.querySelector(`[data-do=${name}]`);
    onPress(button, () => work(button));
    button.hidden = button.disabled = false;
  }
});
