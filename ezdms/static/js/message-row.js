// <message-row>: stands in its place by seq, once, whatever the order of arrival, and begins a new day.

import { dayOf } from "./local-time.js";

customElements.define("message-row", class extends HTMLElement {
  connectedCallback() {
    if (this.placed) return; // moving it connects it again
    this.placed = true;
    const seq = Number(this.dataset.seq);
    const twin = [...this.parentElement.querySelectorAll(`#${this.id}`)].find((row) => row !== this);
    if (twin) return this.remove();
    let before = this.previousElementSibling;
    while (before?.placed && Number(before.dataset.seq) > seq) before = before.previousElementSibling;
    if (before !== this.previousElementSibling) {
      if (before) before.after(this);
      else this.parentElement.prepend(this);
    }
    this.#markDay();
    if (this.nextElementSibling?.placed) this.nextElementSibling.#markDay();
    this.closest("message-thread").arrived(seq);
  }

  get isOwn() {
    return this.classList.contains("own");
  }

  get day() {
    return dayOf(this.querySelector("local-time").getAttribute("datetime"));
  }

  // The day stands above its first message; runs of messages by one person stand closer together.
  #markDay() {
    const before = this.previousElementSibling?.placed ? this.previousElementSibling : null;
    this.toggleAttribute("data-day", before?.day !== this.day);
    if (this.hasAttribute("data-day")) this.dataset.day = this.day;
    this.toggleAttribute("data-joined", before?.day === this.day && before.isOwn === this.isOwn);
  }
});
