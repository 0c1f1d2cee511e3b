// <message-composer>: the field, without a name, so that plain text cannot be submitted by accident. outbox.js sends.

import * as crypto from "./crypto.js";
import { focusIfFree, showAlert } from "./dom.js";
import { entersSend, hasKeyboard, isSending } from "./keyboard.js";
import { loadDraft, saveDraft } from "./keystore.js";
import { Outbox } from "./outbox.js";
import { MOST, split } from "./texts.js";

const COUNT_FROM = MOST - 100;
const figure = (count) => count.toLocaleString("en");
const TOO_LONG = (count) => `You can send at most ${figure(MOST)} characters at once; this has ${figure(count)}.`;
const BLANK = /^[\s\p{Default_Ignorable_Code_Point}]*$/u;

customElements.define("message-composer", class extends HTMLElement {
  #restored; // the draft
  #isRestored = false; // before that, typing would overwrite it
  #focus; // see `enter`
  #isClosed = false; // the other person has deleted their account

  connectedCallback() {
    if (this.thread) return; // put away and shown again (navigate.js)
    this.thread = this.closest("message-thread");
    this.field = this.querySelector("textarea");
    this.button = this.querySelector("[type=submit]");
    this.querySelector("form").noValidate = true;
    this.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.isTrusted) this.#write();
    });
    this.field.addEventListener("input", () => this.#typed());
    this.field.addEventListener("keydown", (event) => {
      if (!event.isTrusted || !isSending(event)) return;
      event.preventDefault();
      if (!event.repeat) this.#write(); // the key may have been held since it opened this conversation
    });
    this.button.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps focus and keyboard
    this.outbox = new Outbox(this.thread, {
      keepDraft: () => this.#keepDraft(),
      giveBack: (text, focus) => {
        this.field.value = [text, this.field.value].filter(Boolean).join("\n");
        const kept = this.#typed();
        focus(this.field);
        return kept;
      },
    });
    const start = () => {
      this.#enable(!this.thread.isAlarmed);
      return this.flush();
    };
    this.thread.ready.then(async () => {
      await this.#restore();
      this.thread.onAlarm(start);
      await start();
    }, () => {});
  }

  // This conversation is removed from the page.
  end() {
    this.outbox.end();
  }

  #enable(isAllowed) {
    const enabled = isAllowed && this.#isRestored;
    this.field.disabled = !enabled;
    this.button.disabled = !enabled || this.#isClosed;
    if (enabled) this.#focus?.(this.field);
  }

  // Nothing can be sent any more. What is in the field stays there until the user has removed it.
  close(isClosed) {
    this.#isClosed = isClosed;
    this.button.disabled ||= isClosed;
    this.#hideEmpty();
  }

  #hideEmpty() { this.hidden = this.#isClosed && !this.field.value; }

  // The conversation is shown. The field takes the focus, as soon as it is enabled, where that opens no keyboard.
  enter() {
    this.#restore();
    this.field.enterKeyHint = entersSend() ? "send" : "enter";
    this.#focus = hasKeyboard() ? focusIfFree() : null;
    this.#focus?.(this.field);
  }

  #typed() {
    this.#measure();
    return this.#keepDraft();
  }

  // Once it is shown: before, the draft may belong to another tab.
  #restore() {
    if (this.getRootNode() !== document) return null;
    this.#restored ??= loadDraft(this.thread.conversation).then((text = "") => {
      this.field.value ||= text;
      this.#measure();
      this.#isRestored = true;
      if (this.thread.judge) this.#enable(!this.thread.isAlarmed); // it was loaded without being shown (queue.js)
    });
    return this.#restored;
  }

  #keepDraft() { return saveDraft(this.thread.conversation, this.field.value); }

  #measure() {
    this.#hideEmpty();
    const count = crypto.countCodePoints(this.field.value);
    const counter = this.querySelector(".counter");
    const parts = count > MOST ? [] : split(crypto.cleanText(this.field.value));
    const told = [];
    if (parts.length > 1) told.push(`Will be sent as ${parts.length} messages`);
    if (count >= COUNT_FROM) told.push(`${figure(count)} of ${figure(MOST)} characters`);
    counter.textContent = told.join(" · ");
    counter.toggleAttribute("data-over", count > MOST);
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight + 2}px`;
    if (count <= MOST) showAlert(this);
  }

  async #write() {
    const typed = this.field.value;
    const text = crypto.cleanText(typed);
    if (this.#isClosed || BLANK.test(text)) return;
    try {
      const count = crypto.countCodePoints(text);
      if (count > MOST) throw new Error(TOO_LONG(count));
      const parts = count > crypto.MAX_TEXT ? split(text) : [text];
      parts.forEach(crypto.checkText);
      this.field.value = "";
      await this.outbox.add(parts, () => requestAnimationFrame(() => { // it must not be delayed by a layout
        this.#measure();
        this.thread.querySelector("message-log").toBottom();
      }));
    } catch (error) {
      if (this.field.value !== typed) { // keep the input, and what was typed since
        this.field.value = `${typed}\n${this.field.value}`.trimEnd();
        this.#typed();
      }
      showAlert(this, error.message);
    }
  }

  flush() { return this.outbox.flush(); }
});
