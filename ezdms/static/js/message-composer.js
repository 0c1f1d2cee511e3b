// <message-composer>: the field, without a name, so that plain text cannot be submitted by accident. outbox.js sends. A
// text may answer another one, or replace one of the last 24 hours: then the draft is set aside.

import { refusal } from "./changes.js";
import * as crypto from "./crypto.js";
import { focusIfFree, focusLater, onPress, showAlert } from "./dom.js";
import { counterOf, entersSend, hasKeyboard, isSending, messagesOf, MOST } from "./keyboard.js";
import { loadDraft, saveDraft } from "./keystore.js";
import { wordsOf } from "./files.js";
import { Outbox } from "./outbox.js";
import { inWords, say, sentenceOf } from "./words.js";

const BLANK = /^[\s\p{Default_Ignorable_Code_Point}]*$/u;

customElements.define("message-composer", class extends HTMLElement {
  #restored; // the draft
  #isRestored = false; // before that, typing would overwrite it
  #focus; // see `enter`
  #isClosed = false; // the other person has deleted their account
  #reply = null; // [id, hash] of the message that the draft answers
  #edited = null; // while a message is edited: {reference, text, draft}

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
      if (!event.isTrusted) return;
      if (event.key === "Escape" && !event.isComposing) this.#cancel();
      if (event.key === "ArrowUp" && !this.field.value) this.#editLast(event);
      if (!isSending(event)) return;
      event.preventDefault();
      if (!event.repeat) this.#write(); // the key may have been held since it opened this conversation
    });
    this.button.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps focus and keyboard
    this.outbox = new Outbox(this.thread, {
      keepDraft: () => this.#keepDraft(),
      giveBack: (item, focus) => this.#giveBack(item, focus),
    });
    onPress(this.querySelector("[data-do=cancel]"), () => {
      this.#cancel();
      focusLater()(this.field);
    });
    this.thread.onJudged(() => this.#showAbout());
    this.thread.onDrawn(({ fact }) => fact.id === this.#about?.[0] && this.#showAbout());
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

  end() { this.outbox.end(); }

  #enable(isAllowed) {
    const enabled = isAllowed && this.#isRestored;
    this.field.disabled = !enabled;
    this.button.disabled = !enabled || this.#isClosed;
    if (enabled) this.#focus?.(this.field);
  }

  get #about() { return this.#edited?.reference ?? this.#reply; }
  get canWrite() { return !this.button.disabled; }
  checkOpen() { if (!this.canWrite) throw new Error(say("writing-closed")); }

  // What is typed, without an edit.
  get draft() { return this.#edited ? this.#edited.draft : this.field.value; }

  // Nothing can be sent any more. What is in the field stays there until the user has removed it.
  close(isClosed) {
    this.#isClosed = isClosed;
    this.button.disabled = isClosed || this.field.disabled;
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
    this.#restored ??= loadDraft(this.thread.conversation).then(({ text = "", reply = null } = {}) => {
      this.field.value ||= text;
      this.#reply ??= reply;
      this.#showAbout();
      this.#measure();
      this.#isRestored = true;
      if (this.thread.judge) this.#enable(!this.thread.isAlarmed); // it was loaded without being shown (navigate.js)
    });
    return this.#restored;
  }

  #keepDraft() { return saveDraft(this.thread.conversation, this.draft, this.#reply); }

  reply({ fact: { id, hash } }) {
    this.#leaveEdit();
    this.#reply = [id, hash];
    this.#showAbout();
    focusLater()(this.field);
    this.#keepDraft().catch(() => {}); // with the next letter
  }

  // `text`: to begin with, otherwise what the message says.
  edit({ fact: { id, hash }, shown }, text = shown.text, focus = focusLater()) {
    this.#edited = { reference: [id, hash], text: shown.text, draft: this.draft };
    this.#fill(text);
    focus(this.field);
  }

  #editLast(event) {
    const now = Date.now();
    const isOpen = ({ isOwn, shown, at }) => isOwn && shown && !refusal("edit", shown, { isOwn, createdAt: at, now });
    const row = !this.#about && [...this.thread.rows.children].findLast(isOpen);
    if (!row) return;
    event.preventDefault();
    this.edit(row);
  }

  #fill(text) {
    this.field.value = text;
    this.#showAbout();
    this.#measure();
  }

  // Back to the draft.
  #leaveEdit(why = "") {
    if (!this.#edited) return;
    const { draft } = this;
    this.#edited = null;
    this.#fill(draft);
    showAlert(this, why);
  }

  #cancel() {
    if (this.#edited || !this.#reply) return this.#leaveEdit();
    this.#reply = null;
    this.#showAbout();
    this.#keepDraft().catch(() => {});
  }

  // Show what the text answers or replaces, as it is now. What is gone must not be shown, nor what was written to
  // replace it; and whether texts disappear.
  #showAbout() {
    const { timer } = this.thread;
    this.querySelector(".lifetime").textContent = timer ? say("messages-disappear", { time: inWords(timer) }) : "";
    const bar = this.querySelector(".about");
    const row = this.#about && this.thread.rowAbout(this.#about);
    const why = row && refusal("reply", row.shown, {});
    if (why && this.#edited) return this.#leaveEdit(say(`refused-${why}`));
    bar.hidden = !this.#about;
    const title = this.#edited ? "writing-edit" : row?.isOwn ? "writing-reply-own" : "writing-reply";
    const [strong, quoted] = bar.querySelectorAll("strong, .quoted");
    strong.textContent = say(title, { name: this.thread.partnerName });
    quoted.textContent = !row || this.#edited ? "" : why ? say(`refused-${why}`) : wordsOf(row.shown);
  }

  // A text that was not sent is typed again: before what is in the field.
  #giveBack({ kind, text, reference }, focus) {
    const row = kind === "edit" ? this.thread.rowAbout(reference) : null;
    if (row && !this.#edited && !refusal("reply", row.shown, {})) {
      return this.edit(row, text, focus);
    }
    this.#leaveEdit();
    if (kind !== "edit") this.#reply ??= reference;
    this.#fill([text, this.field.value].filter(Boolean).join("\n"));
    focus(this.field);
    return this.#keepDraft();
  }

  #measure() {
    this.#hideEmpty();
    const [said, isOver] = counterOf(this.field.value, this.#edited ? crypto.MAX_TEXT : MOST);
    const counter = this.querySelector(".counter");
    counter.textContent = said;
    counter.toggleAttribute("data-over", isOver);
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight + 2}px`;
    if (!isOver) showAlert(this);
  }

  async #write() {
    const typed = this.field.value;
    const text = crypto.cleanText(typed);
    if (this.#isClosed || BLANK.test(text)) return;
    if (this.#edited) return this.#writeEdit(text);
    const reply = this.#reply;
    try {
      const parts = messagesOf(text);
      [this.field.value, this.#reply] = ["", null];
      const messages = parts.map((part, i) => ({ kind: "text", text: part, reference: i ? null : reply }));
      const shown = () => requestAnimationFrame(() => { // it must not be delayed by a layout
        this.#showAbout();
        this.#measure();
        this.thread.querySelector("message-log").toBottom();
      });
      await this.outbox.add(messages, { shown, isDraft: true });
    } catch (error) {
      if (this.field.value !== typed) { // keep the input, and what was typed since
        this.#reply ??= reply;
        this.#fill(`${typed}\n${this.field.value}`.trimEnd());
        this.#keepDraft().catch(() => {});
      }
      showAlert(this, sentenceOf(error));
    }
  }

  // An unchanged text changes nothing.
  async #writeEdit(text) {
    const edited = this.#edited;
    const row = this.thread.rowAbout(edited.reference);
    try {
      if (text === edited.text) return this.#leaveEdit();
      crypto.checkText(text);
      const why = refusal("edit", row.shown, { isOwn: row.isOwn, createdAt: row.at, now: Date.now() });
      if (why) throw new Error(say(`refused-${why}`));
      this.#leaveEdit();
      await this.outbox.add([{ kind: "edit", text, reference: edited.reference }]);
    } catch (error) {
      if (!this.#edited && row?.shown) this.edit(row, text);
      showAlert(this, sentenceOf(error));
    }
  }

  flush() { return this.outbox.flush(); }
});
