// <message-log>: the scroller. Anchored to the bottom (column-reverse), so new messages need no scrolling. If scrolled
// up, it stays there and shows a button instead. WebKit would move the text (no scroll anchoring), so it is held there.

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
    if (!CSS.supports("overflow-anchor", "auto")) this.#holdStill(thread.rows);
  }

  // The first row in view stays where it is, whatever comes or grows below it.
  #holdStill(rows) {
    let row, place;
    const placeOf = (element) => // scrolling does not change it
      element.getBoundingClientRect().top - this.getBoundingClientRect().top + this.scrollTop;
    const hold = () => {
      if (row?.isConnected && !this.isAtBottom) this.scrollTop += placeOf(row) - place;
      row = [...rows.children].find((each) => placeOf(each) + each.offsetHeight > this.scrollTop);
      place = row && placeOf(row);
    };
    this.addEventListener("scroll", hold, { passive: true });
    const observer = new ResizeObserver((changes) => {
      if (changes.some(({ target }) => target === this)) row = null; // more or less room: nothing has come
      hold();
    });
    for (const element of [this, rows.parentElement]) observer.observe(element);
  }

  get isAtBottom() {
    return Math.abs(this.scrollTop) < NEAR;
  }

  toBottom() {
    this.scrollTop = 0;
    this.button.hidden = true;
  }
});
