// <message-row>: one message. Placed once by seq, whatever the order of arrival, and rendered from its decrypted and
// verified content.

import { isTimeOff } from "./crypto.js";
import { focusLater, onPress } from "./dom.js";
import { goTo } from "./message-log.js";
import { foldIfLong, withoutMarks } from "./sealed-text.js";
import { instantiate } from "./shell.js";
import "./viewer.js";
import { inFull, midnight, remaining, say } from "./words.js";

const LINES = ["timer", "expired", "retention", "blocked"]; // said in the middle of the thread
const TEXTS = ["text", "edited"];
const EMPTY = ["deleted", "hidden", "withheld", "undecided"];
const MOST_QUOTED = 120; // code points

const PILL = Object.assign(document.createElement("p"), { className: "day" });
PILL.append(document.createElement("local-time"));
PILL.firstElementChild.toggleAttribute("data-day", true);

const make = (name, properties) => Object.assign(document.createElement(name), properties);

function senderOf({ isOwn, thread: { partnerName: name } }) {
  if (isOwn) return say("sent-by-you");
  return name ? say("received-from", { name }) : say("received");
}

customElements.define("message-row", class extends HTMLElement {
  #pill = null; // the day above it
  #divider = null;
  #drawn = ""; // what it shows, as JSON
  fact = null; // once it was judged: see changes.js
  shown = null; // what changes.js says that it shows; null for a change, a timer, and what cannot be shown
  failure = ""; // why it cannot be shown, if so

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
    let before = this.thread.loaded.rowOf(this.seq - 1) ?? this.previousElementSibling; // of many, that is quicker
    while (before?.placed && before.seq > this.seq) before = before.previousElementSibling;
    if (before !== this.previousElementSibling) {
      if (before) before.after(this);
      else this.parentElement.prepend(this);
    }
  }

  #draw() {
    this.className = `message ${this.isOwn ? "own" : "theirs"}`;
    this.role = "article";
    const part = instantiate("message");
    if (this.note) part.querySelector(".note").remove();
    this.append(part);
    this.note ??= this.querySelector(".note");
    this.bubble = this.querySelector(".bubble");
    this.bubble.ariaHidden = "true"; // screen readers announce it as a whole, once it is shown
    this.text = this.querySelector("sealed-text");
    this.text.toggleAttribute("data-sealed", this.hasAttribute("data-sealed"));
    this.sent = this.querySelector(".sent");
    this.meta = this.querySelector(".meta");
    this.meta.querySelector("local-time").show(this.at);
  }

  // Show its day above it, and the divider with these words, or not (message-log.js).
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
    if (words) this.note.before(this.#divider);
  }

  // Show what review.js found: {state, sentence, text, editedAt, reactions, expires, quote, isPlain}. Returns
  // whether anything changed.
  draw(what) {
    const drawn = JSON.stringify(what);
    if (drawn === this.#drawn) return false;
    this.#drawn = drawn;
    const { state, sentence } = what;
    if (state === "nothing") return this.#drawNothing();
    if (!this.text) this.#draw();
    const { text, meta } = this;
    const isText = TEXTS.includes(state);
    const isContent = isText || state === "file";
    const sender = senderOf(this);
    this.querySelector(".sender").textContent = sender; // no username can make a message look like one's own
    this.ariaLabel = say("row-label", { sender, time: meta.querySelector("local-time").textContent });
    text.removeAttribute("data-sealed");
    this.toggleAttribute("data-line", LINES.includes(state));
    this.toggleAttribute("data-failed", state === "failed");
    this.toggleAttribute("data-gone", EMPTY.includes(state));
    if (isText) text.show(what.text, what.isPlain);
    else text.say(sentence);
    this.#drawFile(state === "file" ? what : null);
    this.sent.hidden = !this.isOwn || !isContent;
    this.#drawQuote(what.quote);
    this.#drawWayOn(state === "undecided" && this.fact.replaces);
    this.#drawMeta(what);
    this.#drawReactions(what.reactions ?? {});
    text.parentElement.append(meta); // otherwise WebKit keeps the width without the text
    foldIfLong(text);
    this.#drawSigned(isContent);
    this.bubble.ariaHidden = null;
    this.hidden = false;
    return true;
  }

  // Its file, if it is one.
  #drawFile(what) {
    if (!what) return this.endFile();
    this.file ??= document.createElement("shared-file");
    if (!this.file.isConnected) this.text.before(this.file);
    this.file.show(what.text, what.isPlain);
  }

  // Nothing stays on this page of a file whose message is gone.
  endFile() {
    this.file?.end();
    this.file = null;
  }

  // A change is shown at the message that it is about. Only a note about its place remains.
  #drawNothing() {
    this.endFile();
    for (const element of this.querySelectorAll(".line, .reactions, .signed")) element.remove();
    this.text = null;
    this.hidden = this.note.hidden || this.fact.isCleared;
    return true;
  }

  // One line of the message that this one answers. Pressing it goes there.
  #drawQuote(quote) {
    this.querySelector(".quote")?.remove();
    if (!quote) return;
    const { by = "", words, isGone, reference } = quote;
    const button = make("button", { type: "button", className: "quote" });
    const start = [...withoutMarks(words).slice(0, 2 * MOST_QUOTED).replace(/\s+/g, " ").trim()];
    const line = make("span", { className: "words", dir: "auto", textContent: start.slice(0, MOST_QUOTED).join("") });
    button.append(make("span", { className: "visually-hidden", textContent: `${say("in-reply-to")} ` }));
    if (by) button.append(make("span", { className: "by", textContent: by }), " ");
    button.append(line);
    button.toggleAttribute("data-gone", isGone);
    onPress(button, () => goTo(this.thread, () => this.thread.rowAbout(reference), line));
    (this.file ?? this.text).before(button);
  }

  // To the message of this id, on an earlier page, which an emptied row says that it changed.
  #drawWayOn(id) {
    this.querySelector(".way-on")?.remove();
    if (!id) return;
    const button = make("button", { type: "button", className: "more way-on", textContent: say("load-earlier") });
    const find = () => [...this.thread.rows.children].find(({ fact }) => fact?.id === id);
    onPress(button, () => goTo(this.thread, find, button));
    this.text.after(button);
  }

  // When it was edited, and how long it stays.
  #drawMeta({ editedAt = null, expires = null }) {
    for (const element of this.meta.querySelectorAll(".edited, .countdown")) element.remove();
    this.countdown = null;
    if (expires !== null) {
      this.countdown = make("span", { className: "countdown", role: "timer" });
      this.meta.prepend(this.countdown, " ");
      this.countDown(expires - Date.now());
    }
    if (editedAt === null) return;
    const edited = make("span", { className: "edited", title: inFull(editedAt), textContent: say("edited") });
    const on = say("edited-on", { time: inFull(editedAt) });
    edited.append(make("span", { className: "visually-hidden", textContent: ` ${on}` }));
    this.meta.prepend(edited, " ");
  }

  // `left`: ms
  countDown(left) {
    const [short, words] = remaining(left);
    if (!this.countdown || this.countdown.textContent === short) return;
    this.countdown.textContent = short;
    this.countdown.ariaLabel = say("disappears-in", { time: words });
  }

  // One line below it. `reactions`: emoji by side.
  #drawReactions(reactions) {
    const before = this.querySelector(".reactions");
    const focus = before?.contains(document.activeElement) ? focusLater() : () => {};
    before?.remove();
    focus(this.querySelector(".actions"));
    const emoji = [...new Set(Object.values(reactions))];
    if (!emoji.length) return;
    const line = make("p", { className: "reactions" });
    for (const one of emoji) {
      const sides = Object.keys(reactions).filter((side) => reactions[side] === one).sort();
      const key = sides.length > 1 ? "reacted-both" : sides[0] === "own" ? "reacted-own" : "reacted-theirs";
      const ariaLabel = say(key, { emoji: one, count: sides.length, name: this.thread.partnerName });
      const element = make("button", { type: "button", className: "reaction", ariaLabel });
      const count = sides.length > 1 ? ` ${sides.length}` : "";
      element.append(make("span", { className: "pill", textContent: `${one}${count}` }));
      element.toggleAttribute("data-mine", sides.includes("own"));
      element.ariaPressed = String(sides.includes("own"));
      onPress(element, () => this.thread.react(this, one));
      line.append(element);
    }
    this.querySelector(".line").after(line);
  }

  // The signed time, if it is not the server's.
  #drawSigned(isContent) {
    const isOff = isContent && this.fact.kind !== null && isTimeOff(this.fact.ts, this.at);
    const signed = this.querySelector(".signed");
    signed.hidden = !isOff;
    if (isOff) signed.textContent = say("signed-at", { time: inFull(this.fact.ts) });
  }

  // Show what is wrong with its place: missing messages, out of order, crossed; "" if nothing is.
  remark(key) {
    const sentence = key && say(key);
    const { note } = this;
    if (note.textContent === sentence) return;
    note.textContent = sentence;
    note.hidden = !sentence;
    if (!this.text) this.hidden = !sentence || this.fact.isCleared;
  }
});

// <thread-facts>: the server's data about a conversation, sent with its newest rows.
customElements.define("thread-facts", class extends HTMLElement {
  connectedCallback() {
    const thread = this.closest("message-thread");
    thread.querySelector("request-card").found = { ...this.dataset };
    thread.begin({ ...this.dataset });
    this.remove();
  }
});
