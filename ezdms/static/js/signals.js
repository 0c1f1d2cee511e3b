// Typing signals and receipts (docs/protocol.md, Signals): each is sent only while the user has it switched on, and the
// other's is shown only then. Receipts follow from verified messages on the screen, and typing signals from real input,
// whatever the server sends. Signals that do not verify, or say something that is not true, are ignored.

import { lineOf, setNote } from "./conversation-list.js";
import * as crypto from "./crypto.js";
import { swapIn } from "./guard.js";
import { loadContact } from "./keystore.js";
import { sendFrame } from "./live.js";
import { currentThread } from "./navigate.js";
import { mergeRemembered, readTold, stateOf } from "./remembered.js";
import { getFragment, isPassing, postForm } from "./server.js";
import { account } from "./session.js";
import { onSettings } from "./vault.js";
import { say } from "./words.js";

const SHOWN = 6000; // ms that someone is shown as typing
const EVERY = 3000; // ms between typing signals
const SOON = 1000; // ms; one receipt for many messages
const LATER = 30000; // ms until a receipt that could not be sent is sent again
const PAUSE = 100; // ms after each signal: a flood must not keep the page from everything else
const EDGE = "-16px 0px"; // a message counts as seen if more than that of it is on the screen

let on = { receipts: false, typing: false };

// What this tab has said and heard: the highest n of each receipt, and the time of the last typing signal (ms).
const saidTo = (conversation) => `said ${conversation}`;
const said = (conversation) =>
  ({ delivered: 0, read: 0, typing: 0, ...JSON.parse(sessionStorage.getItem(saidTo(conversation))) });
const note = (conversation, change) =>
  sessionStorage.setItem(saidTo(conversation), JSON.stringify({ ...said(conversation), ...change }));

const hasLeft = (conversation) => lineOf(conversation)?.hasAttribute("data-left");

// Who is typing, in the header and in the list.
const typing = new Map(); // conversation → timer
const ended = new Map(); // conversation → when a message last ended it (performance.now)
let typedAt = -EVERY; // when the last typing signal was sent

function showTyping(conversation) {
  const isTyping = typing.has(conversation);
  setNote(conversation, { isTyping });
  const thread = currentThread();
  if (thread?.conversation === conversation) thread.querySelector(".typing").hidden = !isTyping;
}

function endTyping(conversation) {
  clearTimeout(typing.get(conversation));
  if (typing.delete(conversation)) showTyping(conversation);
}

// A message of theirs has arrived, and with it what they were typing.
export function hasWritten(conversation) {
  ended.set(conversation, performance.now());
  endTyping(conversation);
}

// What arrives.
const waiting = new Map(); // conversation and slot → the newest signal, until its turn
let isTaking = false;

async function takeInTurn() {
  isTaking = true;
  for (const [key, signal] of waiting) { // also what is added meanwhile
    waiting.delete(key);
    await take(signal).catch(() => {});
    await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
  }
  isTaking = false;
}

async function take({ conversation, slot, sealed, at }) {
  const thread = currentThread();
  if (slot && thread?.conversation !== conversation) return; // asked for when it is opened
  const [me, contact] = [await account, await loadContact(conversation)];
  if (stateOf(contact) !== "accepted" || hasLeft(conversation)) return;
  const ik = crypto.b64uDecode(contact.ik, 32);
  const signal = await crypto.openSignal(me, { ik, fp: await crypto.fingerprint(ik) }, sealed, slot);
  if (slot) return thread.signals.take(signal);
  if (!on.typing || at <= (ended.get(conversation) ?? 0)) return;
  if (!crypto.isTypingNow(signal, said(conversation).typing, Date.now())) return;
  note(conversation, { typing: signal.ts });
  clearTimeout(typing.get(conversation));
  typing.set(conversation, setTimeout(endTyping, SHOWN, conversation));
  showTyping(conversation);
}

// <signal-arrived>: a signal of the other person, live or as the server keeps it.
customElements.define("signal-arrived", class extends HTMLElement {
  connectedCallback() {
    this.remove();
    const { conversationId: conversation, slot, sealed } = this.dataset;
    const isKnown = lineOf(conversation) || currentThread()?.conversation === conversation;
    if (!isKnown || !on[slot ? "receipts" : "typing"]) return;
    waiting.set(`${conversation} ${slot}`, { conversation, slot, sealed, at: performance.now() });
    if (!isTaking) takeInTurn();
  }
});

export class Signals {
  #told = readTold(null); // the highest n of the user's messages that was delivered, and read
  #open = new Map(); // kind → a receipt about a message that is not loaded
  #inView = new Set(); // rows
  #read = [0, ""]; // [n, hash] of the highest message of theirs that was on the screen
  #timer = null;
  #telling = Promise.resolve();
  #isAsking = false;

  constructor(thread) {
    Object.assign(this, { thread, field: thread.querySelector("message-composer textarea") });
    const seen = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) this.#inView[isIntersecting ? "add" : "delete"](target);
      this.tellSoon();
    }, { root: thread.log, rootMargin: EDGE });
    new MutationObserver((changes) => changes.forEach(({ addedNodes }) => {
      for (const row of addedNodes) if (row.localName === "message-row" && !row.isOwn) seen.observe(row);
    })).observe(thread.rows, { childList: true });
    this.field.addEventListener("input", ({ isTrusted }) => isTrusted && this.#typed().catch(() => {}));
    thread.onContact(() => {
      this.#learn();
      this.tellSoon(); // they may be accepted now
    });
    thread.onAlarm(() => this.tellSoon());
    thread.onDrawn((row) => this.#tick(row));
    thread.onJudged(() => this.#judged());
  }

  // The conversation is shown, or the user has changed a setting.
  enter() {
    showTyping(this.thread.conversation);
    this.#draw();
    this.#ask();
    this.tellSoon();
  }

  // Something new was judged.
  #judged() {
    this.#learn();
    for (const signal of [...this.#open.values()]) this.take(signal);
    this.tellSoon();
  }

  // Ask what the other person's receipts say: while there was no connection, none arrived.
  async #ask() {
    if (!on.receipts || this.#isAsking || currentThread() !== this.thread) return;
    this.#isAsking = true;
    try {
      await this.thread.settled();
      const text = await getFragment(`/signals/${this.thread.conversation}`);
      await swapIn(text, document.getElementById("conversations"), "afterbegin");
    } catch { /* asked again with the next connection */ }
    this.#isAsking = false;
  }

  // Another tab or device of the user may know more.
  #learn() {
    const { delivered, read } = this.#told;
    this.#told = readTold(this.#toldWith(this.thread.contact.known).told);
    if (this.#told.delivered > delivered || this.#told.read > read) this.#draw();
  }

  #toldWith(contact) { return mergeRemembered({ told: this.#told }, { told: contact?.told }); }

  // A receipt with the right signature.
  take(signal) {
    const { kind, m: [n] } = signal;
    const hash = this.thread.judge?.ownHash(n) ?? null;
    this.#open.delete(kind);
    if (hash === null) return this.#open.set(kind, signal);
    if (!crypto.isReceipt(signal, this.#told[kind], hash) || n === this.#told[kind]) return;
    this.#told = { ...this.#told, [kind]: n };
    this.#draw();
    this.thread.contact.remember((known) => this.#toldWith(known), "told");
  }

  #draw() { this.thread.rows.querySelectorAll(".message.own").forEach((row) => this.#tick(row)); }

  // Show at a message of the user's own how far it got.
  #tick({ isOwn, n, sent }) {
    if (!isOwn || !sent) return;
    const { delivered, read } = on.receipts ? this.#told : readTold(null);
    const state = say(n <= read ? "status-read" : n <= delivered ? "status-delivered" : "status-sent");
    if (sent.ariaLabel === state) return;
    sent.ariaLabel = state;
    sent.textContent = n <= delivered || n <= read ? "✓✓" : "✓";
  }

  // Nothing is sent while there is an alarm.
  async #mayTell({ spki }) {
    const { conversation } = this.thread;
    const contact = await loadContact(conversation); // another tab may have blocked them
    return spki && stateOf(contact) === "accepted" && !this.thread.isHeld && !hasLeft(conversation);
  }

  tellSoon(delay = SOON) {
    if (!on.receipts) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#telling = this.#telling.then(() => this.#tell()).catch(() => {}); // the thread has said why
    }, delay);
  }

  reconnect() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.tellSoon();
    this.#ask();
  }

  // Send receipts that say more than the last ones. Whoever has read a message has received it.
  async #tell() {
    const { me, partner } = await this.thread.ready;
    const { conversation, judge } = this.thread;
    const [most] = judge.acknowledged;
    for (const row of document.hidden ? [] : this.#inView) {
      if (row.n > this.#read[0] && row.n <= most && judge.isVerified(row)) this.#read = [row.n, row.dataset.hash];
    }
    for (const [kind, m] of [["read", this.#read], ["delivered", judge.acknowledged]]) {
      const { [kind]: before, read } = said(conversation);
      if (m[0] <= before || m[0] <= read) continue;
      const sealed = await crypto.sealSignal(me, partner, { kind, m, ts: Date.now() });
      if (!(await this.#mayTell(partner)) || !on.receipts) return;
      try {
        await postForm("/signal", { conversation_id: conversation, slot: kind, sealed });
      } catch (error) {
        if (isPassing(error)) return this.tellSoon(error.retryAfter === null ? LATER : 1000 * error.retryAfter);
      }
      note(conversation, { [kind]: m[0] });
    }
  }

  async #typed() {
    const isDue = performance.now() - typedAt >= EVERY && !document.hidden && this.field.value.trim();
    if (!on.typing || !isDue) return;
    typedAt = performance.now();
    const { me, partner } = await this.thread.ready;
    const sealed = await crypto.sealSignal(me, partner, { kind: "typing", m: [0, ""], ts: Date.now() });
    if (!(await this.#mayTell(partner)) || !on.typing) return;
    sendFrame({ event: "signal", conversation_id: this.thread.conversation, slot: "", sealed });
  }
}

onSettings((settings) => {
  on = settings;
  if (!on.typing) [...typing.keys()].forEach(endTyping);
  currentThread()?.signals.enter();
});
document.addEventListener("visibilitychange", () => currentThread()?.signals.tellSoon());
