// <color-scheme>: light, dark, or as the system. scheme.js applies it when a page is loaded.

import { onPress } from "./dom.js";
import { remember, remembered } from "./kept.js";

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
