// <message-log>: the scroller. Anchored to the bottom (column-reverse), so new messages need no scrolling. If scrolled
// up, it stays there and shows a button instead.

import { onPress } from "./dom.js";

const NEAR = 80; // pixels from the bottom that still count as the bottom

customElements.define("message-log", class extends HTMLElement {
  connectedCallback() {
    if (this.button) return; // put away and shown again (navigate.js)
    const thread = this.closest("message-thread");
    this.button = thread.querySelector(".newer");
    onPress(this.button, () => this.toBottom());
    this.addEventListener("scroll", () => { if (this.isAtBottom) this.button.hidden = true; }, { passive: true });
    new MutationObserver((changes) => {
      const added = changes.flatMap((change) => [...change.addedNodes]).filter((node) => node.matches?.(".message"));
      if (added.length && !this.isAtBottom && added.includes(thread.rows.lastElementChild)) this.button.hidden = false;
    }).observe(thread.rows, { childList: true });
  }

  get isAtBottom() {
    return Math.abs(this.scrollTop) < NEAR;
  }

  toBottom() {
    this.scrollTop = 0;
    this.button.hidden = true;
  }
});
