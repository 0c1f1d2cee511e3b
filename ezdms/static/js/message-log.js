// Where one reads in a conversation: it opens at the first new message, or where one had scrolled to before. And
// <message-log>, in which one reads.

import { lineOf } from "./conversation-list.js";
import { focusLater, offerAgain, onPress } from "./dom.js";
import { say, sentenceOf } from "./words.js";

// <message-log>: the scroller. Anchored to the bottom (column-reverse), so new messages need no scrolling. If scrolled
// up, it stays there, and a button shows their number instead. WebKit would move the text (no scroll anchoring), so it
// is held there.

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
    onPress(thread.querySelector(".seeking button"), () => { this.stop(); focusLater()(this); });
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
    if (this.hasAttribute("data-seeking")) return; // catch-up.js
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

  // No more older pages are loaded for what was sought (catch-up.js).
  stop() { this.isStopped = true; }

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

// What stands between messages: one pill per day, and the divider where reading starts. It also finds the runs:
// messages of one person within a minute, of which only the last shows its time.

const RUN = 60000; // ms

export class Between {
  #from = Infinity; // the divider is above the first message of the other person from this seq on,
  #to = Infinity; // and counts those up to this one

  // `rows`: the element that contains them. `hasOlder()`: some older rows are not loaded.
  constructor(rows, hasOlder) {
    Object.assign(this, { rows, hasOlder });
    new MutationObserver(() => this.arrange()).observe(rows, { childList: true });
  }

  // The row with the divider, if any.
  get firstNew() { return this.rows.querySelector(".new")?.parentElement; }

  divide(from, to) {
    [this.#from, this.#to] = [from, to];
    this.arrange();
  }

  // A row has arrived. What arrives while nobody looks is new; what one writes ends it.
  note({ seq, isOwn }) {
    if (seq <= this.#to || !(isOwn || document.hidden)) return;
    this.#from = isOwn ? Infinity : Math.min(this.#from, seq);
    this.#to = seq;
  }

  // Changes show nothing at their own place, so they do not count.
  arrange() {
    if (this.rows.closest("[data-seeking]")) return;
    const rows = [...this.rows.children].filter(({ placed, hidden }) => placed && !hidden);
    const news = rows.filter(({ seq, isOwn }) => !isOwn && seq >= this.#from && seq <= this.#to);
    const isStartLoaded = rows[0]?.seq < this.#from || !this.hasOlder();
    const words = news.length ? say("new-messages", { count: news.length }) : "";
    let day = -Infinity;
    let start; // when the run started
    rows.forEach((row, i) => {
      const isNewDay = row.day > day; // never an earlier one: one pill for each, whatever the server claims
      const isFirstNew = isStartLoaded && row === news[0];
      const isJoined = i > 0 && !isNewDay && !isFirstNew && rows[i - 1].isOwn === row.isOwn;
      const isInRun = isJoined && Math.abs(row.at - start) <= RUN;
      if (isNewDay) day = row.day;
      if (!isInRun) start = row.at;
      row.showAbove(isNewDay, isFirstNew ? words : "");
      row.toggleAttribute("data-joined", isJoined);
      if (i) rows[i - 1].toggleAttribute("data-run", isInRun);
    });
    rows.at(-1)?.removeAttribute("data-run");
  }
}

const MOST_PAGES = 10; // loaded to get there
const ABOVE = 64; // pixels shown above the first new message
const placeOf = (thread) => `place ${thread.conversation}`; // in the session storage, which outlives this page
const topOf = (element) => element.getBoundingClientRect().top;

export class Reading {
  #scrolled = 0;
  #unread = 0; // what the server said before it was opened: only a hint where to start
  #hasBegun = false;

  constructor(thread) {
    this.thread = thread;
  }

  // The conversation is shown, perhaps again.
  enter() {
    const { thread } = this;
    thread.log.scrollTop = this.#scrolled;
    const { unread = 0, lastSeq = 0 } = lineOf(thread.conversation)?.dataset ?? {};
    this.#unread = Number(unread);
    if (this.#hasBegun) this.#start(Math.max(Number(lastSeq), thread.loaded.complete)).catch(() => {});
  }

  // It is left, or the page is: remember the first row in view, unless it is at the end.
  leave() {
    if (!this.#hasBegun) return;
    const { thread } = this;
    const { log, rows, between } = thread;
    this.#scrolled = log.scrollTop;
    const isInView = (row) => row.placed && !row.hidden && row.getBoundingClientRect().bottom > topOf(log);
    const row = log.isAtBottom ? null : [...rows.children].find(isInView);
    if (row) sessionStorage.setItem(placeOf(thread), JSON.stringify([row.seq, topOf(row) - topOf(log)]));
    else sessionStorage.removeItem(placeOf(thread));
    between.divide(Infinity, Infinity);
  }

  // The first rows are loaded.
  async begin({ lastSeq, unread }) {
    this.#unread = Math.max(this.#unread, Number(unread));
    const [seq, offset] = JSON.parse(sessionStorage.getItem(placeOf(this.thread))) ?? [];
    await this.#start(Number(lastSeq), seq, offset).catch(() => {}); // older rows are loaded again on scrolling
    this.#hasBegun = true;
  }

  // Put the divider above what is unread, and show it, or the message `place` where one read before, with its top
  // `offset` pixels below that of the log.
  async #start(last, place, offset) {
    const { thread } = this;
    const from = this.#unread ? last - this.#unread + 1 : Infinity;
    thread.between.divide(from, last);
    await (this.#unread ? thread.catchUp(last) : thread.settled());
    let pages = MOST_PAGES;
    const isLoaded = () => thread.rows.querySelector("message-row")?.seq <= Math.min(from - 1, place ?? Infinity);
    await thread.loadUntil(() => isLoaded() || !pages--);
    const { firstNew } = thread.between;
    const row = thread.loaded.rowOf(place) ?? firstNew;
    const { log } = thread;
    const above = row === firstNew ? ABOVE : offset;
    if (row && log.isAtBottom) log.scrollTop += Math.min(topOf(row) - topOf(log) - above, 0); // not scrolled yet
    if (firstNew) log.countAfter(from - 1);
  }
}

// Go to the row that `find()` returns, loading earlier ones until it does. The element `told` says what happens.
const FOUND = 2000; // ms that it stands out
export const PAGE = 200; // messages per request

export async function goTo(thread, find, told, focus = focusLater()) {
  const words = told.textContent;
  try {
    if (!find()) told.textContent = say("loading-earlier");
    if (!await thread.seek(find, PAGE)) return told.replaceChildren(words);
    const row = find();
    if (!row?.checkVisibility()) throw new Error(say("not-here"));
    told.textContent = words;
    row.tabIndex = -1;
    if (!focus(row)) return;
    row.scrollIntoView({ block: "center" });
    row.toggleAttribute("data-found", true);
    setTimeout(() => row.toggleAttribute("data-found", false), FOUND);
  } catch (error) {
    told.textContent = sentenceOf(error);
  }
}
