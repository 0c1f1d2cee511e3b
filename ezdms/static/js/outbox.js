// The unsent messages of a conversation, of any kind. Each is stored in IndexedDB with its id and, once tried, its
// encrypted form, until the server shows it, so that it is neither lost nor sent twice. So is what tellServer sends. An
// item is {conversation, message_id, kind, text, reference, x, ts, sealed, key}. `sealed`: it was tried.

import { isStale } from "./changes.js";
import { setNote } from "./conversation-list.js";
import * as crypto from "./crypto.js";
import { focusLater, showAlert } from "./dom.js";
import { addToOutbox, inOutbox, isQuiet, keepStorage, loadOutbox, removeFromOutbox, updateOutbox } from "./keystore.js";
import { seal, tellServer } from "./sealing.js";
import { isNumber, isPassing, onceMore, postForm } from "./server.js";
import { Unsent } from "./unsent.js";
import { isUnfinished, Uploads } from "./upload.js";
import { say, sentenceOf } from "./words.js";

const MOST_RACES = 20; // that other devices can win in a row
const ROW_AFTER = 300; // ms for the socket to deliver a sent message, before it is fetched

export class Outbox {
  #taken = new Map(); // message_id → item confirmed by the server, but not shown yet
  #refused = new Set(); // message_id: tried again when the user says so, or after a reload
  #isRequest = false; // they have not accepted it
  #timer;

  // `keepDraft()` stores the field, `giveBack(text)` puts an unsent text back into it, and stores it.
  constructor(thread, { keepDraft, giveBack }) {
    Object.assign(this, { thread, keepDraft, giveBack });
    this.unsent = new Unsent(thread.querySelector(".outbox"), {
      retry: (item) => this.#retry(item), anew: (item) => this.#sendAnew(item),
      edit: (item) => this.#takeBack(item, true), discard: (item) => this.#takeBack(item, false),
      pause: (item) => this.uploads.pause(item), resume: (item) => this.uploads.goOn(item),
      changed: () => setNote(thread.conversation, { unsent: this.unsent.waiting }),
    });
    this.uploads = new Uploads(this);
    thread.onJudged(() => {
      this.#look();
      if (this.#isRequest) this.flush(); // they may have answered
    });
  }

  end() { clearTimeout(this.#timer); this.uploads.end(); }

  // Send messages {kind, text, reference}, in order. Throws, and shows nothing, if they can be neither sent nor stored.
  // `shown()` runs once they are visible. `isDraft`: they replace this tab's draft.
  async add(messages, { shown = () => {}, isDraft = false } = {}) {
    if (this.uploads.chosen) await this.uploads.chosen; // a caption follows its files
    const fields = () => ({ conversation: this.thread.conversation, message_id: crypto.newId(), ts: Date.now() });
    const items = messages.map((message) => ({ ...fields(), reference: null, x: 0, ...message }));
    let isDone = false;
    try {
      const isNext = items.length === 1 && this.unsent.isEmpty && !this.thread.isHeld;
      for (const item of items) this.unsent.show(item);
      shown();
      await this.thread.contact.answer();
      if (isNext) isDone = await this.#sendAtOnce(items[0], isDraft);
      else await addToOutbox(items, isDraft); // all or none
    } catch (error) {
      for (const { message_id } of items) this.unsent.hide(message_id);
      throw error;
    }
    if (!isDone) this.flush();
  }

  // Tell the server to "hide" a message ([id, hash]), or to "accept" or "block" the person. Resolves once it is kept.
  async tell(kind, reference = null) {
    const item = { conversation: this.thread.conversation, message_id: crypto.newId(), kind, text: "", reference };
    await addToOutbox([item], false);
    this.flush();
  }

  // One tab at a time: two would use the same number.
  inTurn(work, options) { return inOutbox(this.thread.conversation, work, options); }

  // Nothing is queued before it: sent while it is being stored. This tab takes its turn until the response arrives, but
  // does not wait for the turn to begin: meanwhile another tab may send the same ciphertext, which is stored once, or
  // take the number. False: check the queue again.
  async #sendAtOnce(item, isDraft) {
    await this.#seal(item);
    const keep = () => addToOutbox([item], isDraft);
    const done = Promise.allSettled([this.#post(item), keep()]);
    this.inTurn(() => done);
    const [posted, kept] = await done;
    if (posted.status === "fulfilled") this.#sent(item, posted.value);
    else if (kept.status === "rejected") throw kept.reason;
    else if (posted.reason.status === 409) return false;
    else this.#failed(item, posted.reason);
    return true;
  }

  // Send queued messages, in order.
  flush = onceMore(() => this.#flush());

  async #flush() {
    if (!(await this.thread.ready.then(() => true, () => false))) return; // the thread has shown why
    await this.inTurn(async () => {
      await this.thread.settled();
      const isBlocked = this.thread.contact.state === "blocked";
      let waits = isBlocked ? say("unsent-blocked") : this.thread.isHeld ? say("unsent-queued") : "";
      const [stored, kept] = [this.unsent.stored, await loadOutbox(this.thread.conversation)];
      const tell = (sentence) => showAlert(this.thread.querySelector("message-composer"), sentence);
      const items = kept.filter((item) => !isQuiet(item));
      for (const item of kept.filter(isQuiet)) {
        if (await tellServer(item, this.thread.contact, tell)) await removeFromOutbox(item.key);
      }
      const isKept = (id) => this.#taken.has(id) || items.some(({ message_id }) => message_id === id);
      for (const id of stored) if (!isKept(id)) this.unsent.hide(id); // another tab sent it, or took it back
      for (const item of items) {
        if (this.#taken.has(item.message_id)) continue;
        this.unsent.show(item);
        if (this.thread.judge.shows(item.message_id)) this.#sent(item); // stored, but its response was lost
        else if (isUnfinished(item) && !isBlocked && !this.thread.isHeld) {
          if (await this.uploads.resume(item)) waits ||= say("unsent-behind");
        } else if (waits) this.unsent.say(item.message_id, waits, "queued");
        else if (this.#refused.has(item.message_id) || !(await this.#send(item))) waits = say("unsent-behind");
      }
    });
  }

  async #send(item) {
    this.unsent.say(item.message_id, say("unsent-sending"));
    try {
      if (item.sealed && isStale(item.x, item.ts, Date.now())) {
        await this.thread.catchUp(Infinity);
        const isShown = this.thread.judge.shows(item.message_id);
        if (!isShown) return this.unsent.say(item.message_id, say("unsent-old"), "old");
      }
      this.#sent(item, await this.#deliver(item));
      return true;
    } catch (error) {
      if (error.code === "no_file" && item.file && await this.uploads.beginAgain(item)) return false;
      this.#failed(item, error);
      return false;
    }
  }

  // The server says it has it. Its row arrives by the socket, or is fetched; until then the message is kept.
  #sent(item, seq) {
    this.#isRequest = false;
    this.unsent.say(item.message_id, "");
    this.#taken.set(item.message_id, item);
    this.#look();
    if (this.#taken.has(item.message_id)) setTimeout(() => this.#ask(item.message_id, seq), ROW_AFTER);
  }

  async #ask(id, seq) {
    const { thread } = this;
    const asked = thread.catchUp(seq).then(() => thread.loadUntil(() => thread.loaded.rowOf(seq)));
    const isAnswered = await asked.then(() => true, () => false);
    if (!this.#taken.has(id)) return;
    if (isAnswered) this.unsent.say(id, say("unsent-not-shown"), "refused");
    else this.#taken.delete(id); // sent again with the next connection: the same ciphertext, stored once
  }

  // Hide messages that the server shows; once it also confirmed them, they need not be kept.
  #look() {
    for (const id of this.unsent.ids) {
      if (this.thread.judge?.shows(id)) this.unsent.hide(id); // perhaps sent by another tab
    }
    for (const [id, { key, file }] of this.#taken) {
      if (!this.thread.judge.shows(id)) continue;
      this.#taken.delete(id);
      // A message that could not be stored is still the draft. One left behind is sent again, but stored once.
      (key ? removeFromOutbox(key, file) : this.keepDraft()).catch(() => {});
    }
  }

  #failed(item, error) {
    if (!isPassing(error)) {
      this.#refused.add(item.message_id);
      return this.unsent.say(item.message_id, say("unsent-refused", { why: sentenceOf(error) }), "refused");
    }
    this.#isRequest = error.code === "not_accepted";
    const why = navigator.onLine ? say("unsent-unreached") : say("unsent-offline");
    this.unsent.say(item.message_id, error.status ? say("unsent-failed", { why: sentenceOf(error) }) : why, "waiting");
    clearTimeout(this.#timer); // otherwise with the next round (navigate.js)
    if (error.retryAfter !== null) this.#timer = setTimeout(() => this.flush(), 1000 * Math.max(error.retryAfter, 1));
  }

  // Send the encrypted message as it is. If another device took its number, catch up and encrypt it again under the
  // same id: the server never stores an id twice. Repeat while another device is faster, but not for a server that
  // claims so forever.
  async #deliver(item) {
    for (let races = 0; ; races += 1) {
      if (!item.sealed) {
        await this.#seal(item);
        await updateOutbox(item);
      }
      try {
        return await this.#post(item);
      } catch (error) {
        if (error.code !== "counter" || races === MOST_RACES) throw error;
        await this.thread.catchUp(Infinity);
        await this.thread.loadUntil(() => !this.thread.judge.isBehind);
        if (this.thread.judge.shows(item.message_id)) return 0; // this message took it
        if (!this.thread.judge.isPast(item.sealed.n) || this.thread.isHeld) throw error; // nobody took it
        item.sealed = null;
      }
    }
  }

  async #seal(item) {
    // A timer is in force from its row on.
    if ([...this.#taken.values()].some(({ kind }) => kind === "timer")) await this.thread.catchUp(Infinity);
    await seal(this.thread, item);
  }

  // Resolves to its seq.
  async #post({ conversation: conversation_id, message_id, sealed }) {
    const { seq } = await postForm("/send_message", { conversation_id, message_id, ...sealed }, { seq: isNumber });
    this.thread.judge.keepOwn(sealed.n, sealed.hash);
    keepStorage();
    return seq;
  }

  #retry(item) {
    this.#taken.delete(item.message_id);
    this.#refused.delete(item.message_id);
    return item.file ? this.uploads.goOn(item) : this.flush();
  }

  // While no tab sends this item: `change(isKept)`; not kept if another tab sent it, or took it back.
  async #whileUnsent({ key, message_id }, change) {
    const isMyTurn = await this.inTurn(async (turn) => {
      if (!turn) return false;
      await change(!key || (await loadOutbox(this.thread.conversation)).some((item) => item.key === key));
      return true;
    }, { ifAvailable: true });
    if (!isMyTurn) return this.unsent.say(message_id, say("unsent-being-sent"), "waiting");
    this.#taken.delete(message_id);
    this.unsent.hide(message_id);
    await this.flush();
  }

  #takeBack(item, isEdited) {
    this.uploads.stop(item);
    const focus = focusLater();
    return this.#whileUnsent(item, async (isKept) => {
      if (isKept && isEdited) await this.giveBack(item, focus);
      if (item.key) await removeFromOutbox(item.key, item.file);
    });
  }

  // The user decided to send it again, though it may have arrived: as a new message.
  #sendAnew(item) {
    return this.#whileUnsent(item, async (isKept) => {
      if (isKept) await updateOutbox({ ...item, message_id: crypto.newId(), ts: Date.now(), sealed: null });
    });
  }
}
