// <message-log>: the scroller. Anchored to the bottom (column-reverse), so new messages need no scrolling. If scrolled
// up, it stays there, and a button shows their number instead. WebKit would move the text (no scroll anchoring), so it
// is held there.

import { offerAgain, onPress } from "./dom.js";
import { say, sentenceOf } from "./words.js";

const NEAR = 80; // pixels from the bottom that still count as the bottom

customElements.define("message-log", class extends HTMLElement {
  #seen = 0; // the last seq when the end was in view

  connectedCallback() {
    if (this.button) return; // put away and shown again (navigate.js)
    const thread = this.closest("message-thread");
    this.button = thread.querySelector(".newer");
    thread.querySelector(".outbox").ariaLive = "off"; // one's own message is announced once: when the server shows it
    onPress(this.button, () => this.toBottom());
    this.rows = thread.rows;
    this.addEventListener("scroll", () => this.count(), { passive: true });
    new MutationObserver(() => this.count()).observe(this.rows, { childList: true });
    if (!CSS.supports("overflow-anchor", "auto")) this.#holdStill(thread.rows);
  }

  // Not in view yet: what follows the message `seq`.
  countAfter(seq) {
    this.#seen = seq;
    this.count();
  }

  // Count what has arrived since the end was in view.
  count() {
    const { isAtBottom, rows } = this;
    if (isAtBottom) this.#seen = rows.lastElementChild?.seq ?? 0;
    let [row, count] = [rows.lastElementChild, 0];
    for (; row?.seq > this.#seen; row = row.previousElementSibling) if (!row.isOwn && !row.hidden) count += 1;
    this.button.hidden = isAtBottom;
    this.button.querySelector(".count").textContent = count || "";
    this.button.querySelector(".visually-hidden").textContent = say(count ? "messages-new" : "messages-newest");
  }

  // The first row in view stays where it is, whatever comes or grows below it.
  #holdStill(rows) {
    let row, place;
    const placeOf = (element) => // scrolling does not change it
      element.getBoundingClientRect().top - this.getBoundingClientRect().top + this.scrollTop;
    const hold = () => {
      if (row?.isConnected && !this.isAtBottom) this.scrollTop += placeOf(row) - place;
      row = [...rows.children].find((each) => !each.hidden && placeOf(each) + each.offsetHeight > this.scrollTop);
      place = row && placeOf(row);
    };
    this.addEventListener("scroll", hold, { passive: true });
    const observer = new ResizeObserver((changes) => {
      if (changes.some(({ target }) => target === this)) row = null; // more or less room: nothing has come
      hold();
    });
    for (const element of [this, rows.parentElement]) observer.observe(element);
  }

  get isAtBottom() { return Math.abs(this.scrollTop) < NEAR; }

  toBottom() {
    this.scrollTop = 0;
    this.button.hidden = true;
  }
});

// <older-messages data-before="51">: placed right before the row of that seq, as placeholder for the previous page,
// which it loads shortly before it is in view. Each must be for an older page, so that a server cannot go on forever.

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
    await this.thread.ready.catch(() => {});
    if (!this.thread.loaded.hasOlder) return this.remove(); // the user deleted what is there
    this.textContent = say("loading-earlier");
    try {
      await this.thread.loadOlder();
    } catch (error) {
      offerAgain(this, sentenceOf(error), () => this.#load());
    }
  }
});
