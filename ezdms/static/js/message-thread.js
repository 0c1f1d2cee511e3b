// <message-thread>: one conversation. Knows both keys, raises alarms, and fetches missing rows; judge.js judges them.

import { Alarms, LookUp } from "./alarms.js";
import { CatchUp } from "./catch-up.js";
import { Contact } from "./contact.js";
import { setNote, showHead } from "./conversation-list.js";
import * as crypto from "./crypto.js";
import { offerAgain } from "./dom.js";
import { showEnded } from "./front.js";
import { Judge } from "./judge.js";
import { showNothing } from "./navigate.js";
import { Opening } from "./opening.js";
import { identify, showEmpty, showPartner } from "./partner.js";
import { noteNewest } from "./previews.js";
import { Between, Reading } from "./reading.js";
import { account } from "./session.js";
import { notLast, rollback } from "./vault.js";

const ROLLED_BACK = "The server no longer shows messages that were here before.";
const NO_KEYS = "This browser no longer holds your keys. Please log out and log in again with your Login PIN.";
const NOT_LOADED = "The server’s response does not say whose conversation this is.";

customElements.define("message-thread", class extends HTMLElement {
  #followed = 0; // the last seq from the list
  #loading; // resolves once the newest rows are loaded, or could not be
  #learn;
  #facts = new Promise((resolve) => { this.#learn = resolve; }); // the server's data about the conversation
  #alarms;
  #opening; // Opening: decrypts rows and has them judged
  #lookUp; // of messages seen in an earlier session
  #listeners = { contact: [], alarm: [], judged: [] };
  contact; // Contact: what the user's devices know about the other person
  judge; // set once both people are known
  loaded; // CatchUp: the loaded rows
  between; // Between: days and the divider between them
  reading; // Reading: where to start

  connectedCallback() {
    if (this.rows) return; // put away and shown again (navigate.js)
    this.rows = this.querySelector(".rows");
    this.rows.id = `rows-${this.conversation}`;
    this.loaded = new CatchUp(this.rows, this.conversation);
    this.between = new Between(this.rows, () => this.loaded.hasOlder);
    this.reading = new Reading(this);
    this.log = this.querySelector("message-log");
    this.#alarms = new Alarms(this.querySelector(".alarm"), () => this.#tell("alarm"));
    this.contact = new Contact(this.conversation, {
      raise: (...alarm) => this.alarm(...alarm),
      changed: () => {
        this.#tell("contact");
        showEmpty(this);
      },
    });
    this.#opening = new Opening({
      open: (row) => this.judge.open(row),
      show: (row, opened) => { this.#show(row, opened); this.#tell("judged"); },
      settle: () => this.#settle(),
    });
    const again = () => this.#opening.isBusy || this.#settle();
    this.#lookUp = new LookUp(this.querySelector(".alarm"), { again, ask: () => this.catchUp(Infinity) });
    this.ready = this.#identify().finally(() => this.#opening.begin());
    this.ready.then(again, (error) => this.alarm("key", error.message, null));
    this.#loading = this.#load();
  }

  // The page starts to show this conversation, or leaves it.
  enter() {
    showHead(this);
    this.reading.enter();
    this.#followed = 0;
    this.#lookUp.again();
    this.querySelector("message-composer").enter();
  }

  leave() {
    this.reading.leave();
    setNote(this.conversation, { draft: this.querySelector("message-composer").field.value });
  }

  // Listeners are called directly by this element, not by events that anything else could dispatch.
  onContact(heard) { this.#listeners.contact.push(heard); }
  onAlarm(heard) { this.#listeners.alarm.push(heard); }
  onJudged(heard) { this.#listeners.judged.push(heard); }
  #tell(what) { this.#listeners[what].forEach((heard) => heard()); }

  // Alarmed: nothing can be written. Held: messages are queued until it is known whether there is an alarm.
  get isAlarmed() { return this.#alarms.stand; }
  get isHeld() { return this.isAlarmed || this.#lookUp.isOpen; }

  // Screen readers announce what arrives, not what is loaded.
  async #quietly(loading) {
    this.log.ariaBusy = "true";
    try {
      return await loading();
    } finally {
      this.log.ariaBusy = "false";
    }
  }

  async #load() {
    this.isUnloaded = false;
    try {
      this.log.toggleAttribute("data-new", true);
      await this.#quietly(async () => {
        await this.loaded.load(`/c/${this.conversation}/open`);
        if (!this.hasFacts) throw new Error(NOT_LOADED);
        await this.settled();
        this.log.toggleAttribute("data-new", false);
      });
    } catch (error) {
      this.isUnloaded = true;
      const isHere = this.getRootNode() === document; // otherwise someone may be logging in by now
      if (error.status === 401 && isHere) return showEnded();
      if (error.status === 404) return showNothing(this);
      offerAgain(this.querySelector(".empty"), error.message, () => this.send());
    }
  }

  // The facts have arrived (<thread-facts>). They must still be verified.
  begin(facts) {
    this.hasFacts = true;
    this.#learn(facts);
    this.reading.begin(facts);
  }

  // Find and verify both identities. A swapped key is detected here.
  async #identify() {
    const [me, facts] = await Promise.all([account, this.#facts, this.contact.sync()]);
    if (!me) throw new Error(NO_KEYS);
    this.loaded.begin();
    const { conversation, contact } = this;
    const partner = await identify(me, conversation, facts, await contact.load());
    if (partner.pin) await contact.pin(partner);
    const raise = (name, sentence) => this.alarm(name, sentence, () => contact.accept(name));
    const forget = (row) => this.loaded.forget(row);
    this.judge = new Judge({ me, partner, conversation, known: contact.known, raise, forget });
    this.judge.expect(this.#opening.rows);
    if (facts.ownHash) this.judge.noteOwn(Number(facts.ownN), facts.ownHash);
    showPartner(this, partner, facts.left !== undefined);
    return { me, partner };
  }

  // `goOn` runs on “Continue anyway”; null: not possible. An accepted alarm is not raised again.
  alarm(name, sentence, goOn) {
    if (!this.contact.hasAccepted(name)) this.#alarms.raise(name, sentence, goOn);
  }

  // Called by a row that found its place.
  arrived(row) {
    this.loaded.note(row);
    this.between.note(row);
    this.#opening.add(row);
  }

  #show(row, opened) {
    // For screen readers. No username can make a message look like one's own.
    const sender = row.isOwn ? "Sent by you" : `Received from ${this.partnerName ?? "an unknown person"}`;
    if (!this.judge) return row.show({ failure: "Not decrypted" }, sender);
    const result = this.judge.judge(row, opened);
    if (!result) return;
    row.result = result;
    row.show(result, sender, result.message && crypto.isTimeOff(result.message.ts, row.at));
  }

  // All rows are judged: show what is wrong, and store the read position.
  #settle() {
    if (!this.judge) return;
    const rows = [...this.rows.children];
    this.judge.settle(rows, this.loaded.complete);
    noteNewest(this.conversation, rows.findLast(({ result }) => result), this.judge.seen);
    this.#lookBack();
    this.contact.remember(() => this.judge.seen);
  }

  // A message seen in an earlier session is missing. It may still be loading; if not, the server withholds it.
  #lookBack() {
    const missing = this.judge.missing(this.loaded.hasOlder).map(([, hash]) => hash)
      .filter((hash) => !this.contact.hasAccepted(rollback(hash)));
    const wasOpen = this.#lookUp.isOpen;
    for (const hash of this.#lookUp.look(missing)) {
      const goOn = () => this.contact.accept(rollback(hash), ...(this.judge.letGo(hash) ? [notLast(hash)] : []));
      this.alarm(rollback(hash), ROLLED_BACK, goOn);
    }
    if (wasOpen !== this.#lookUp.isOpen) this.#tell("alarm");
  }

  // Resolves once all loaded rows are judged.
  async settled() {
    await this.ready.catch(() => {});
    await this.#opening.done;
  }

  // The list says that the conversation has reached this seq. True if that is new.
  follow(seq) {
    if (seq <= this.#followed) return false;
    this.#followed = seq;
    this.loaded.follow(seq);
    this.catchUp(seq).catch(() => {}); // retried after the next connect
    return true;
  }

  // Reconnected: fetch what is missing.
  reconnect() {
    this.#followed = 0;
    this.#lookUp.again();
    this.send();
  }

  // Send what is queued. Resolves once that is sent, or could not be.
  async send() {
    if (this.isUnloaded) this.#loading = this.#load();
    await this.#loading;
    if (!this.isUnloaded) await this.querySelector("message-composer").flush();
  }

  get isSending() { return !this.querySelector("message-composer").outbox?.unsent.isEmpty; }

  // Fetch missing rows up to seq `goal`, once and in order; Infinity: all rows. Resolves when all are judged.
  async catchUp(goal) {
    await this.ready;
    await this.loaded.fetch(goal);
    await this.#opening.done;
  }

  // Load the previous page of messages. False if there is none.
  loadOlder() {
    return this.#quietly(async () => {
      const isThere = await this.loaded.loadOlder();
      await this.settled();
      this.#settle();
      return isThere;
    });
  }

  // Load older pages until `isSo()` is true.
  async loadUntil(isSo) {
    while (!isSo() && await this.loadOlder());
  }
});
