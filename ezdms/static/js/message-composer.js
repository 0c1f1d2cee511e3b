// <message-composer>: the field, without a name, so that plain text cannot be submitted by accident. outbox.js sends.

import * as crypto from "./crypto.js";
import { showAlert } from "./dom.js";
import { loadDraft, saveDraft } from "./keystore.js";
import { Outbox } from "./outbox.js";

const COUNT_FROM = crypto.MAX_TEXT - 100;

customElements.define("message-composer", class extends HTMLElement {
  #ended = new AbortController();

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
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || !event.isTrusted) return;
      event.preventDefault();
      this.#write();
    });
    this.outbox = new Outbox(this.thread, {
      keepDraft: () => this.#keepDraft(),
      giveBack: (text) => {
        this.field.value ||= text;
        this.#typed();
      },
    });
    const start = () => {
      this.#enable(!this.thread.isAlarmed);
      return this.flush();
    };
    this.thread.ready.then(async () => {
      this.field.value ||= await loadDraft(this.thread.conversation) ?? "";
      this.#measure();
      this.thread.onAlarm(start);
      await start();
    }, () => {});
    addEventListener("online", () => this.flush(), { signal: this.#ended.signal });
  }

  // This conversation is removed from the page.
  end() {
    this.outbox.end();
    this.#ended.abort();
  }

  #enable(enabled) {
    this.field.disabled = this.button.disabled = !enabled;
    this.enter();
  }

  // Focus the field if there is a keyboard, unless something else has the focus.
  enter() {
    const isFree = [document.body, null].includes(document.activeElement);
    if (isFree && matchMedia("(min-width: 768px)").matches) this.field.focus();
  }

  #typed() {
    this.#measure();
    this.#keepDraft();
  }

  #keepDraft() { return saveDraft(this.thread.conversation, this.field.value); }

  #measure() {
    const count = crypto.countCodePoints(this.field.value);
    const counter = this.querySelector(".counter");
    counter.textContent = count < COUNT_FROM ? "" : `${count} of ${crypto.MAX_TEXT} characters`;
    counter.toggleAttribute("data-over", count > crypto.MAX_TEXT);
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight + 2}px`;
    if (count <= crypto.MAX_TEXT) showAlert(this);
  }

  async #write() {
    const typed = this.field.value;
    const text = crypto.cleanText(typed);
    try {
      crypto.checkText(text.trim() && text);
      this.field.value = "";
      await this.outbox.add(text, () => requestAnimationFrame(() => { // it must not be delayed by a layout
        this.#measure();
        this.thread.querySelector("message-log").toBottom();
      }));
    } catch (error) {
      this.field.value = typed; // keep the input
      showAlert(this, error.message);
    }
  }

  flush() { return this.outbox.flush(); }
});
