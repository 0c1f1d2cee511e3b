// <message-row>: one message. Placed once by seq, whatever the order of arrival, and rendered from its decrypted and
// verified content.

import { inFull, midnight } from "./local-time.js";
import { foldIfLong } from "./sealed-text.js";
import { instantiate } from "./shell.js";

const GONE = "This message is gone: it was deleted or has expired.";

const PILL = Object.assign(document.createElement("p"), { className: "day" });
PILL.append(document.createElement("local-time"));
PILL.firstElementChild.toggleAttribute("data-day", true);

customElements.define("message-row", class extends HTMLElement {
  #pill = null; // the day above it
  #divider = null;

  connectedCallback() {
    if (this.placed) return; // moving it connects it again
    this.placed = true;
    this.seq = Number(this.dataset.seq);
    this.n = Number(this.dataset.n);
    this.at = Number(this.dataset.at);
    this.day = midnight(this.at);
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
  }

  #draw() {
    this.className = `message ${this.isOwn ? "own" : "theirs"}`;
    this.role = "article";
    this.append(instantiate("message"));
    this.querySelector(".bubble").ariaHidden = "true"; // screen readers announce it as a whole, once it is shown
    this.text = this.querySelector("sealed-text");
    this.text.toggleAttribute("data-sealed", this.hasAttribute("data-sealed"));
    this.querySelector(".meta local-time").show(this.at);
  }

  // Show its day above it, and the divider with these words, or not (reading.js).
  showAbove(hasDay, words) {
    if (hasDay !== !!this.#pill) {
      this.#pill?.remove();
      this.#pill = hasDay ? document.importNode(PILL, true) : null;
      if (hasDay) this.prepend(this.#pill);
      this.#pill?.firstElementChild.show(this.at);
    }
    if (words === (this.#divider?.textContent ?? "")) return;
    this.#divider?.remove();
    this.#divider = words ? Object.assign(document.createElement("p"), { className: "new", textContent: words }) : null;
    if (words) this.querySelector(".note").before(this.#divider);
  }

  // `message`: as verified, or null with the reason. `sender`: the name to show.
  show({ message, failure, isGone }, sender, isTimeOff) {
    this.querySelector(".sender").textContent = sender;
    this.ariaLabel = `${sender}, ${this.querySelector(".meta local-time").textContent}`;
    this.text.removeAttribute("data-sealed"); // decrypted: no need to keep it twice
    this.removeAttribute("data-sealed");
    this.toggleAttribute("data-failed", !message && !isGone);
    this.toggleAttribute("data-gone", !!isGone);
    if (isGone) this.text.say(GONE);
    else if (failure) this.text.say(failure);
    else this.text.show(message.text);
    this.querySelector(".sent").hidden = !this.isOwn || !message;
    this.text.parentElement.append(this.querySelector(".meta")); // otherwise WebKit keeps the width without the text
    foldIfLong(this.text);
    const signed = this.querySelector(".signed");
    signed.hidden = !isTimeOff;
    if (isTimeOff) signed.textContent = `⚠ Signed at a different time: ${inFull(message.ts)}`;
    this.querySelector(".bubble").ariaHidden = null;
  }

  // Show what is wrong with its place: missing messages, out of order, crossed; "" if nothing is.
  remark(sentence) {
    const note = this.querySelector(".note");
    if (note.textContent === sentence) return;
    note.textContent = sentence;
    note.hidden = !sentence;
  }
});

// <thread-facts>: the server's data about a conversation, sent with its newest rows.
customElements.define("thread-facts", class extends HTMLElement {
  connectedCallback() {
    this.closest("message-thread").begin({ ...this.dataset });
    this.remove();
  }
});
