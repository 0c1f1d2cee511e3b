// <older-messages data-before="51">: stands where the page before a seq belongs, and loads it before it is in view.

import { offerAgain } from "./dom.js";

const AHEAD = "800px 0px";

customElements.define("older-messages", class extends HTMLElement {
  connectedCallback() {
    if (this.thread) return;
    this.thread = this.closest("message-thread");
    this.className = "older";
    const before = Number(this.dataset.before);
    const first = this.thread.rows.firstElementChild;
    if (first !== this) first.before(this);
    const log = this.closest("message-log");
    new IntersectionObserver((seen, observer) => {
      if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      this.#load(before);
    }, { root: log, rootMargin: AHEAD }).observe(this);
  }

  async #load(before) {
    this.textContent = "Loading earlier messages…";
    try {
      await this.thread.loadBefore(before, this);
    } catch (error) {
      offerAgain(this, error.message, () => this.#load(before));
    }
  }
});
