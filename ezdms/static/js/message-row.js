// <message-row>: one message. Placed once by seq, whatever the order of arrival, marks new days, and is rendered from
// its decrypted and verified content.

import { dayOf, inFull } from "./local-time.js";
import { instantiate } from "./shell.js";

const GONE = "This message is gone: it was deleted or has expired.";

customElements.define("message-row", class extends HTMLElement {
  connectedCallback() {
    if (this.placed) return; // moving it connects it again
    this.placed = true;
    this.seq = Number(this.dataset.seq);
    this.n = Number(this.dataset.n);
    this.at = Number(this.dataset.at);
    this.isOwn = this.hasAttribute("data-own");
    this.thread = this.closest("message-thread");
    if (this.thread.loaded.rowOf(this.seq)) return this.remove();
    this.#place();
    this.#draw();
    this.thread.arrived(this);
  }

  #place() {
    let before = this.previousElementSibling;
    while (before?.placed && before.seq > this.seq) before = before.previousElementSibling;
    if (before !== this.previousElementSibling) {
      if (before) before.after(this);
      else this.parentElement.prepend(this);
    }
    this.day = dayOf(this.at);
    this.#markDay();
    if (this.nextElementSibling?.placed) this.nextElementSibling.#markDay();
  }

  #draw() {
    this.className = `message ${this.isOwn ? "own" : "theirs"}`;
    this.append(instantiate("message"));
    this.text = this.querySelector("sealed-text");
    this.text.toggleAttribute("data-sealed", this.hasAttribute("data-sealed"));
    this.querySelector("local-time").show(this.at);
  }

  // Show the day above its first message, and consecutive messages of one person closer together.
  #markDay() {
    const before = this.previousElementSibling?.placed ? this.previousElementSibling : null;
    this.toggleAttribute("data-day", before?.day !== this.day);
    if (this.hasAttribute("data-day")) this.dataset.day = this.day;
    this.toggleAttribute("data-joined", before?.day === this.day && before.isOwn === this.isOwn);
  }

  // `message`: as verified, or null with the reason. `sender`: the name to show.
  show({ message, failure, isGone }, sender, isTimeOff) {
    this.querySelector(".sender").textContent = sender;
    this.text.removeAttribute("data-sealed"); // decrypted: no need to keep it twice
    this.removeAttribute("data-sealed");
    this.toggleAttribute("data-failed", !message && !isGone);
    this.toggleAttribute("data-gone", !!isGone);
    if (isGone) this.text.say(GONE);
    else if (failure) this.text.say(failure);
    else this.text.show(message.text);
    const signed = this.querySelector(".signed");
    signed.hidden = !isTimeOff;
    if (isTimeOff) signed.textContent = `⚠ Signed at a different time: ${inFull(message.ts)}`;
  }

  // Show what is wrong with its place: missing messages, out of order, crossed; "" if nothing is.
  remark(sentence) {
    const note = this.querySelector(".note");
    if (note.textContent === sentence) return;
    note.textContent = sentence;
    note.hidden = !sentence;
  }
});
