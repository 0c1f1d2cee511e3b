// <my-search-pin>: the user's Search PIN, computed here from their key, so that it is theirs whatever the server says.

import { b64uEncode, newSearchSalt, signAct } from "./crypto.js";
import { copyFrom, drawQr, onPress, onSubmit, showAlert } from "./dom.js";
import { deploymentId, postForm } from "./server.js";
import { account, getStanding, ownSearchPin } from "./session.js";
import { HOST } from "./shell.js";

customElements.define("my-search-pin", class extends HTMLElement {
  async connectedCallback() {
    try {
      const me = await account;
      // another device may have replaced it; shown even if the server cannot be reached
      const { search_salt: salt } = await getStanding().catch(() => me);
      await this.#show(await ownSearchPin(me, salt));
    } catch {
      showAlert(this, "Your Search PIN is not known here. Log in again to see it.");
    }
  }

  async #show(searchPin) {
    this.querySelector("output").textContent = searchPin;
    this.#offer("copy", (button) => copyFrom(button, searchPin));
    if (!this.querySelector("canvas")) return; // next to the list, only the PIN is shown
    const link = `${HOST.server}/#add=${searchPin}`; // the part after # is never sent to a server
    this.querySelector("code").textContent = link;
    this.querySelector(".link").hidden = false;
    this.#offer("copy-link", (button) => copyFrom(button, link));
    const letter = { title: "EZ-DMS", text: `My Search PIN for EZ-DMS: ${searchPin}`, url: link };
    if (navigator.canShare?.(letter)) this.#offer("share", () => navigator.share(letter).catch(() => {})); // canceled
    drawQr(this.querySelector("canvas"), link);
  }

  #offer(name, work) {
    const button = this.querySelector(`[data-do=${name}]`);
    onPress(button, () => work(button));
    button.hidden = button.disabled = false;
  }
});

// <new-search-pin>: replaces the Search PIN. The new one commits to the same key, so conversations stay as they are.
customElements.define("new-search-pin", class extends HTMLElement {
  connectedCallback() {
    const question = this.querySelector("[data-asked]");
    onSubmit(this, "Creating a new one…", async () => {
      if (question.hidden) { // ask once
        question.hidden = false;
        return;
      }
      const search_salt = b64uEncode(newSearchSalt());
      const act = await signAct(await account, await deploymentId(), "search_pin", search_salt, Date.now());
      await postForm("/search_pin", { search_salt, act });
      location.reload();
    });
  }
});
