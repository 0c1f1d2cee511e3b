// <message-composer>: the field (without a name: plain text cannot be submitted by accident) and the unsent messages.
// Each waits in IndexedDB with its id and, once tried, its seal, so that it is neither lost nor sent twice.

import * as crypto from "./crypto.js";
import { onPress, showAlert } from "./dom.js";
import { addToOutbox, loadDraft, loadOutbox, removeFromOutbox, saveDraft, updateOutbox } from "./keystore.js";
import { isNumber, postForm } from "./server.js";
import { instantiate } from "./shell.js";

const COUNT_FROM = crypto.MAX_TEXT - 100;
const ROW_AFTER = 300; // ms that the socket has to bring what was sent, before it is asked for
const RETRY_AFTER = 10; // seconds; a reconnected socket tries sooner

customElements.define("message-composer", class extends HTMLElement {
  #pending = new Map(); // message_id → element
  #timer;

  connectedCallback() {
    if (this.thread) return; // put away and shown again
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
    this.thread.onJudged((message_id) => this.#hide(message_id)); // its row stands there now
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
    addEventListener("online", () => this.flush());
  }

  #enable(enabled) {
    this.field.disabled = this.button.disabled = !enabled;
    const isFree = [document.body, null].includes(document.activeElement); // nobody types anywhere
    if (enabled && isFree && matchMedia("(min-width: 768px)").matches) this.field.focus();
  }

  #typed() {
    this.#measure();
    saveDraft(this.thread.conversation, this.field.value);
  }

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
    if (this.field.disabled) return;
    const typed = this.field.value;
    const text = crypto.cleanText(typed);
    const message_id = crypto.b64uEncode(globalThis.crypto.getRandomValues(new Uint8Array(16)));
    const item = { conversation: this.thread.conversation, message_id, text, ts: Date.now() };
    let isDone = false;
    try {
      crypto.checkText(text.trim() && text);
      this.field.value = "";
      const isNext = navigator.onLine && !this.#pending.size;
      this.#show(item);
      requestAnimationFrame(() => { // nothing that needs a layout stands in the way of the message
        this.#measure();
        this.thread.querySelector("message-log").toBottom();
      });
      if (isNext) isDone = await this.#sendAtOnce(item);
      else await this.#keep(item);
    } catch (error) {
      this.#hide(message_id);
      this.field.value = typed; // what was typed stays
      return showAlert(this, error.message);
    }
    if (!isDone) await this.flush();
  }

  async #keep(item) {
    item.key = await addToOutbox(item);
  }

  // One tab at a time: two would take the same number.
  #inTurn(work) {
    return navigator.locks.request(`ezdms-outbox ${this.thread.conversation}`, work);
  }

  // Nothing waits before it: handed over while it is being kept. This tab has its turn until the answer is there, but
  // does not wait for it to begin: another may meanwhile hand over the same seal, which is stored once, or take the
  // number. False: look again at what waits.
  async #sendAtOnce(item) {
    await this.#seal(item);
    const done = Promise.allSettled([this.#post(item), this.#keep(item)]);
    this.#inTurn(() => done);
    const [posted, kept] = await done;
    if (posted.status === "fulfilled") await this.#sent(item, posted.value);
    else if (kept.status === "rejected") throw kept.reason;
    else if (posted.reason.status === 409) return false;
    else this.#failed(item, posted.reason);
    return true;
  }

  // Send what waits, in order.
  async flush() {
    if (!(await this.thread.ready.then(() => true, () => false))) return; // the thread has told why
    await this.#inTurn(async () => {
      let isBlocked = this.thread.isAlarmed;
      for (const item of await loadOutbox(this.thread.conversation)) {
        this.#show(item);
        if (isBlocked) this.#state(item.message_id, "Waiting for the message before it.");
        else isBlocked = !(await this.#send(item));
      }
    });
  }

  async #send(item) {
    if (!navigator.onLine) {
      this.#state(item.message_id, "You are offline. It is sent as soon as you are back.", true);
      return false;
    }
    this.#state(item.message_id, "Sending…");
    try {
      await this.#sent(item, await this.#deliver(item));
      return true;
    } catch (error) {
      this.#failed(item, error);
      return false;
    }
  }

  // Its row comes by the socket, or in a moment like this, or after a reconnect ("judged").
  async #sent(item, seq) {
    // What could not be kept still is the draft. What stays behind is sent again: the same seal, stored once.
    await (item.key ? removeFromOutbox(item.key) : saveDraft(item.conversation, this.field.value)).catch(() => {});
    this.#state(item.message_id, "");
    setTimeout(() => this.thread.catchUp(seq).then(() => this.#hide(item.message_id), () => {}), ROW_AFTER);
  }

  #failed(item, error) {
    this.#state(item.message_id, `Not sent. ${error.message}`, true);
    const isPassing = error.status === 0 || error.status === 429 || error.status >= 500;
    clearTimeout(this.#timer);
    if (isPassing) this.#timer = setTimeout(() => this.flush(), 1000 * (error.retryAfter ?? RETRY_AFTER));
  }

  // Hand over the sealed message as it is. If its number is taken, by another device, learn what came between and
  // seal it anew under the same id: the server never stores an id twice. So on for as long as another one gets ahead.
  async #deliver(item) {
    for (;;) {
      if (!item.sealed) {
        await this.#seal(item);
        await updateOutbox(item);
      }
      try {
        return await this.#post(item);
      } catch (error) {
        if (error.code !== "counter") throw error;
        await this.thread.catchUp(Infinity);
        if (this.thread.next[0] <= item.sealed.n || this.thread.isAlarmed) throw error; // nobody took it
        item.sealed = null;
      }
    }
  }

  async #seal(item) {
    const { me, partner } = await this.thread.ready;
    const { next: [n, p], acknowledged: a } = this.thread;
    const link = { n, p, a, id: crypto.b64uDecode(item.message_id, 16) };
    const sealed = await crypto.sealMessage(me, partner, { ...link, ts: item.ts, text: item.text });
    const { hash, suite, content_for_a, content_for_b } = sealed;
    item.sealed = { n, hash, suite, content_for_a, content_for_b };
  }

  // Resolves to its seq.
  async #post({ conversation: conversation_id, message_id, sealed }) {
    const { seq } = await postForm("/send_message", { conversation_id, message_id, ...sealed }, { seq: isNumber });
    this.thread.noteOwn(sealed.n, sealed.hash);
    return seq;
  }

  #show(item) {
    if (this.#pending.has(item.message_id)) return;
    const element = instantiate("pending").firstElementChild;
    element.querySelector(".text").textContent = item.text;
    onPress(element.querySelector("[data-do=retry]"), () => this.flush());
    onPress(element.querySelector("[data-do=discard]"), async () => {
      await removeFromOutbox(item.key);
      this.#hide(item.message_id);
      this.field.value ||= item.text; // nothing lost: back into the field
      this.#typed();
      await this.flush();
    });
    this.thread.querySelector(".outbox").append(element);
    this.#pending.set(item.message_id, element);
  }

  #state(id, sentence, isOver = false) {
    const element = this.#pending.get(id);
    if (!element) return;
    element.toggleAttribute("data-unsent", isOver);
    element.querySelector("[role=status]").textContent = sentence;
    for (const button of element.querySelectorAll("button")) button.hidden = !isOver;
  }

  #hide(id) {
    this.#pending.get(id)?.remove();
    this.#pending.delete(id);
  }
});
