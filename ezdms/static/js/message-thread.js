// <message-thread>: one conversation. Knows both keys, raises alarms, and fetches missing rows; judge.js judges them.

import { Alarms, Contact, LookUp } from "./contact.js";
import { CatchUp, Opening, seek } from "./catch-up.js";
import { setNote } from "./conversation-list.js";
import { offerAgain } from "./dom.js";
import { showEnded } from "./front.js";
import { Judge } from "./judge.js";
import { Between, Reading } from "./message-log.js";
import { showNothing } from "./navigate.js";
import { identify, showEmpty, showHead, showPartner } from "./partner.js";
import { noteNewest } from "./previews.js";
import { Review } from "./review.js";
import { account } from "./session.js";
import { Signals } from "./signals.js";
import { say, sentenceOf } from "./words.js";


customElements.define("message-thread", class extends HTMLElement {
  #followed = 0; // the last seq from the list
  #loading; // resolves once the newest rows are loaded, or could not be
  #learn;
  #facts = new Promise((resolve) => { this.#learn = resolve; }); // the server's data about the conversation
  #alarms;
  #opening; // Opening: decrypts rows and has them judged
  #lookUp; // of messages seen in an earlier session
  #listeners = { contact: [], alarm: [], judged: [], drawn: [] };
  #review; // Review: what the rows show together
  contact; // Contact: what the user's devices know about the other person
  judge; // set once both people are known
  loaded; // CatchUp: the loaded rows
  between; // Between: days and the divider between them
  reading; // Reading: where to start

  connectedCallback() {
    if (this.rows) return; // put away and shown again (navigate.js)
    this.rows = this.querySelector(".rows");
    this.rows.id = `rows-${this.conversation}`;
    this.loaded = new CatchUp(this.rows, this.conversation, ({ isOwn, n }) => this.contact.hasCleared(isOwn, n));
    this.between = new Between(this.rows, () => this.loaded.hasOlder);
    this.reading = new Reading(this);
    this.log = this.querySelector("message-log");
    this.#alarms = new Alarms(this.querySelector(".alarm"), () => this.#tell("alarm"));
    this.contact = new Contact(this.conversation, {
      raise: (...alarm) => this.alarm(...alarm),
      changed: () => {
        this.#tell("contact");
        this.review();
        showEmpty(this);
      },
    });
    this.#review = new Review(this);
    this.#opening = new Opening({
      open: (row) => this.judge.open(row),
      judge: (row, opened) => this.#judge(row, opened),
      draw: () => this.review(),
      settle: () => this.#settle(),
    });
    this.signals = new Signals(this);
    const again = () => this.#opening.isBusy || this.#settle();
    this.#lookUp = new LookUp(this.querySelector(".alarm"), { again, ask: () => this.catchUp(Infinity) });
    this.ready = this.#identify().finally(() => this.#opening.begin());
    this.ready.then(again, (error) => this.alarm("key", sentenceOf(error), null));
    this.#loading = this.#load();
  }

  // The page starts to show this conversation, or leaves it.
  enter() {
    showHead(this);
    this.reading.enter();
    this.#followed = 0;
    this.#lookUp.again();
    this.querySelector("message-composer").enter();
    this.signals.enter();
  }

  leave() {
    this.reading.leave();
    setNote(this.conversation, { draft: this.querySelector("message-composer").draft });
  }

  // This conversation is removed from the page.
  end() {
    for (const row of this.#review.rows) row.endFile();
    this.#review.end();
    this.querySelector("message-composer").end();
  }

  // Listeners are called directly by this element, not by events that anything else could dispatch.
  onContact(heard) { this.#listeners.contact.push(heard); }
  onAlarm(heard) { this.#listeners.alarm.push(heard); }
  onJudged(heard) { this.#listeners.judged.push(heard); }
  onDrawn(heard) { this.#listeners.drawn.push(heard); } // heard(row): a row that shows something else now
  #tell(what, ...about) { this.#listeners[what].forEach((heard) => heard(...about)); }

  // The facts (changes.js) of all rows that were judged, by seq.
  get facts() { return this.#review.facts; }

  // Seconds after which messages written now disappear, or 0.
  get timer() { return this.#review.timer; }
  get knowsTimer() { return this.#review.knowsTimer; }

  // The row of the message with this [id, hash]; undefined if it is not loaded.
  rowAbout(reference) { return this.#review.rowAbout(reference); }

  // Something else may count now: recompute what all rows show, and draw those that changed.
  async review() {
    await this.#review.run();
    this.#tell("judged");
  }

  hasDrawn(row) { this.#tell("drawn", row); }

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
        if (!this.hasFacts) throw new Error(say("thread-not-loaded"));
        await this.settled();
        this.log.toggleAttribute("data-new", false);
      });
    } catch (error) {
      this.isUnloaded = true;
      const isHere = this.getRootNode() === document; // otherwise someone may be logging in by now
      if (error.status === 401 && isHere) return showEnded();
      if (error.status === 404) return showNothing(this);
      offerAgain(this.querySelector(".empty"), sentenceOf(error), () => this.send());
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
    if (!me) throw new Error(say("no-keys"));
    this.loaded.begin();
    const { conversation, contact } = this;
    const partner = await identify(me, conversation, facts, await contact.load());
    if (partner.pin) await contact.pin(partner);
    const raise = (name, key) => this.alarm(name, say(key), () => contact.accept(name));
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

  #judge(row, opened) {
    if (this.judge) Object.assign(row, this.judge.judge(row, opened));
    else row.draw({ state: "failed", sentence: say("not-decrypted") });
    delete row.dataset.sealed; // decrypted: no need to keep it twice
  }

  // All rows are judged: show them, and what is wrong, and store the read position.
  async #settle() {
    if (!this.judge) return;
    this.judge.settle(this.#review.rows, this.loaded.complete);
    await this.review();
    noteNewest(this.conversation, this.#review.rows, this.judge.seen);
    if (this.#lookUp.look(this)) this.#tell("alarm");
    this.contact.remember((known) => ({ ...this.judge.seen, ...this.#review.remembered(known) }));
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
    await this.loaded.fetch(goal).finally(() => this.#opening.done);
    if (this.#review.isOpen) await this.review();
  }

  // Load the previous page, of at most `limit` messages. False if there is none.
  loadOlder(limit) {
    return this.#quietly(async () => {
      const isThere = await this.loaded.loadOlder(limit);
      await this.settled();
      await this.#settle();
      return isThere;
    });
  }

  // Load older pages until `isSo()` is true.
  async loadUntil(isSo, limit) { while (!isSo() && await this.loadOlder(limit)); }
  seek(isSo, limit) { return seek(this, isSo, () => this.loadOlder(limit)); } // for the user, who can stop it
});
