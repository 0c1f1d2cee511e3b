// <older-messages data-before="51">: placed right before the row of that seq, as placeholder for the previous page,
// which it loads shortly before it is in view. Each must be for an older page, so that a server cannot go on forever.

import { offerAgain } from "./dom.js";

const AHEAD = "800px 0px";

customElements.define("older-messages", class extends HTMLElement {
  connectedCallback() {
    if (this.thread) return;
    this.thread = this.closest("message-thread");
    this.className = "older";
    const before = Number(this.dataset.before);
    const first = this.thread.rows.firstElementChild;
    const isBefore = this.nextElementSibling?.dataset.seq === this.dataset.before;
    const isOlder = first === this || !(before >= Number(first.dataset.before));
    if (!isBefore || !isOlder) return this.remove();
    if (first !== this) first.before(this);
    const log = this.closest("message-log");
    new IntersectionObserver((seen, observer) => {
      if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      this.#load();
    }, { root: log, rootMargin: AHEAD }).observe(this);
  }

  async #load() {
    this.textContent = "Loading earlier messages…";
    try {
      await this.thread.loadOlder();
    } catch (error) {
      offerAgain(this, error.message, () => this.#load());
    }
  }
});
