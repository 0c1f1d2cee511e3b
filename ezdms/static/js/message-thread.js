// <message-thread>: one conversation. Knows both keys, raises alarms, and fetches missing rows; judge.js judges them.

import { Alarms } from "./alarms.js";
import { CatchUp } from "./catch-up.js";
import { setCurrent, setName } from "./conversation-list.js";
import * as crypto from "./crypto.js";
import { offerAgain } from "./dom.js";
import { showFront } from "./front.js";
import { Judge } from "./judge.js";
import { loadContact } from "./keystore.js";
import { LookUp } from "./look-up.js";
import { showNothing } from "./navigate.js";
import { Opening } from "./opening.js";
import { identify } from "./partner.js";
import { account, getStanding } from "./session.js";
import { changeContact, notLast, overwriteVault, stronger, syncVault } from "./vault.js";

const REMEMBER_AFTER = 1000; // ms; the read position is stored once for many messages
const ROLLED_BACK = "The server no longer shows messages that were here before.";
const rollback = (hash) => `rollback ${hash}`; // the name of that alarm
const NO_KEYS = "This browser no longer holds your keys. Please log out and log in again with your Login PIN.";
const NOT_LOADED = "The server’s response does not say whose conversation this is.";

customElements.define("message-thread", class extends HTMLElement {
  #followed = 0; // the last seq from the list
  #learn;
  #facts = new Promise((resolve) => { this.#learn = resolve; }); // the server's data about the conversation
  #alarms;
  #opening; // Opening: decrypts rows and has them judged
  #lookUp; // of messages seen in an earlier session
  #remembering;
  #listeners = { contact: [], alarm: [], judged: [] };
  #scrolled = 0;
  judge; // set once both people are known
  loaded; // CatchUp: the loaded rows

  connectedCallback() {
    if (this.rows) return; // put away and shown again (navigate.js)
    this.rows = this.querySelector(".rows");
    this.rows.id = `rows-${this.conversation}`;
    this.loaded = new CatchUp(this.rows, this.conversation);
    this.log = this.querySelector("message-log");
    this.#alarms = new Alarms(this.querySelector(".alarm"), () => this.#tell("alarm"));
    this.#opening = new Opening({
      open: (row) => this.judge.open(row),
      show: (row, opened) => { this.#show(row, opened); this.#tell("judged"); },
      settle: () => this.#settle(),
    });
    const again = () => this.#opening.isBusy || this.#settle();
    this.#lookUp = new LookUp(this.querySelector(".alarm"), { again, ask: () => this.catchUp(Infinity) });
    this.ready = this.#identify().finally(() => this.#opening.begin());
    this.ready.then(again, (error) => this.alarm("key", error.message, null));
    this.#load();
  }

  // The page starts to show this conversation, or leaves it.
  enter() {
    this.log.scrollTop = this.#scrolled;
    this.#followed = 0;
    this.#lookUp.again();
    this.querySelector("message-composer").enter();
  }

  leave() { this.#scrolled = this.log.scrollTop; }

  // Listeners are called directly by this element, not by events that anything else could dispatch.
  onContact(heard) { this.#listeners.contact.push(heard); }
  onAlarm(heard) { this.#listeners.alarm.push(heard); }
  onJudged(heard) { this.#listeners.judged.push(heard); }
  #tell(what) { this.#listeners[what].forEach((heard) => heard()); }

  // Alarmed: nothing can be written. Held: messages are queued until it is known whether there is an alarm.
  get isAlarmed() { return this.#alarms.stand; }
  get isHeld() { return this.isAlarmed || this.#lookUp.isOpen; }

  async #load() {
    try {
      await this.loaded.load(`/c/${this.conversation}/open`);
      if (!this.hasFacts) throw new Error(NOT_LOADED);
      this.isUnloaded = false;
    } catch (error) {
      if (error.status === 401) return showFront("Log in to open this page.");
      if (error.status === 404) return showNothing(this);
      this.isUnloaded = true;
      offerAgain(this.querySelector(".empty"), error.message, () => this.#load());
    }
  }

  // The facts have arrived (<thread-facts>). They must still be verified.
  begin(facts) {
    this.hasFacts = true;
    this.#learn(facts);
  }

  // Find and verify both identities. A swapped key is detected here.
  async #identify() {
    const [me, facts] = await Promise.all([account, this.#facts, this.#readVault()]);
    if (!me) throw new Error(NO_KEYS);
    this.loaded.begin();
    this.contact = await loadContact(this.conversation);
    const { conversation, contact } = this;
    const partner = await identify(me, conversation, facts, contact);
    if (partner.pin) await this.#pin(partner);
    const raise = (name, sentence) => this.alarm(name, sentence, this.#accept(name));
    const forget = (row) => this.loaded.forget(row);
    this.judge = new Judge({ me, partner, conversation, known: this.contact, raise, forget });
    this.judge.expect(this.#opening.rows);
    if (facts.ownHash) this.judge.noteOwn(Number(facts.ownN), facts.ownHash);
    this.#showPartner(partner, facts.left !== undefined);
    return { me, partner };
  }

  // Show the name that they signed, whatever the server calls them.
  #showPartner({ name }, hasLeft) {
    this.partnerName = name;
    this.querySelector("h1").textContent = name;
    this.pageTitle = `${name} · EZ-DMS`;
    if (this.isConnected) setCurrent(this.conversation, this.pageTitle);
    this.querySelector(".left").hidden = !hasLeft;
    this.querySelector("message-composer").hidden = hasLeft;
    const empty = this.querySelector(".empty");
    empty.textContent = `No messages yet. Say hello: only ${name} and you can read it.`;
    empty.hidden = false;
  }

  // Sync contacts from other devices. Reading works even if the server cannot be reached.
  async #readVault() {
    try {
      await syncVault((await getStanding()).vault_version);
    } catch (error) {
      const sentence = `${error.message} This browser keeps what it knows.`;
      if (error.kind === "alarm") this.alarm("vault", sentence, overwriteVault);
    }
  }

  async #pin({ pin, name }) {
    if (this.contact?.hash === pin.hash) return; // the known statement
    const keep = () => this.#change(() => ({ ...pin, name }));
    try {
      if (this.contact) crypto.checkSuccession(this.contact, pin);
      await keep();
    } catch (error) {
      if (error.kind !== "alarm" || this.contact.ik !== pin.ik) throw error;
      this.alarm("statement", `${error.message} Ask them some other way whether they changed something.`, keep);
    }
    setName(this.conversation, name);
  }

  async #change(change) {
    await changeContact(this.conversation, change);
    this.contact = await loadContact(this.conversation);
    this.#tell("contact");
  }

  // Mark this contact as verified.
  verify(how) { return this.#change(({ verified }) => ({ verified: stronger(verified, how) })); }

  // `goOn` runs on “Continue anyway”; null: not possible. An accepted alarm is not raised again.
  alarm(name, sentence, goOn) {
    if (!this.contact?.accepted.includes(name)) this.#alarms.raise(name, sentence, goOn);
  }

  // Accept the alarms with these names, here and on the user's other devices.
  #accept = (...names) => () => this.#change(({ accepted }) => ({ accepted: [...accepted, ...names].slice(-50) }));

  // Called by a row that found its place.
  arrived(row) {
    this.loaded.note(row);
    this.#opening.add(row);
  }

  #show(row, opened) {
    // For screen readers. No username can make a message look like one's own.
    const sender = row.isOwn ? "Sent by you" : `Received from ${this.partnerName ?? "an unknown person"}`;
    if (!this.judge) return row.show({ failure: "Not decrypted" }, sender);
    const result = this.judge.judge(row, opened);
    if (result) row.show(result, sender, result.message && crypto.isTimeOff(result.message.ts, row.at));
  }

  // All rows are judged: show what is wrong, and store the read position.
  #settle() {
    if (!this.judge) return;
    this.judge.settle([...this.rows.children], this.loaded.complete);
    this.#lookBack();
    clearTimeout(this.#remembering);
    this.#remembering = setTimeout(() => this.#remember().catch(() => {}), REMEMBER_AFTER);
  }

  #isUnaccepted = (hash) => !this.contact.accepted.includes(rollback(hash));

  // A message seen in an earlier session is missing. It may still be loading; if not, the server withholds it.
  #lookBack() {
    const missing = this.judge.missing(this.loaded.hasOlder).map(([, hash]) => hash).filter(this.#isUnaccepted);
    const wasOpen = this.#lookUp.isOpen;
    for (const hash of this.#lookUp.look(missing)) {
      const names = () => [rollback(hash), ...(this.judge.letGo(hash) ? [notLast(hash)] : [])];
      this.alarm(rollback(hash), ROLLED_BACK, () => this.#accept(...names())());
    }
    if (wasOpen !== this.#lookUp.isOpen) this.#tell("alarm");
  }

  // Store the last verified message of each side, to detect when a server later shows less.
  #remember() { return this.#change(() => this.judge.seen); }

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
    if (this.isUnloaded) this.#load();
    this.#lookUp.again();
    this.querySelector("message-composer").flush();
  }

  // Fetch missing rows up to seq `goal`, once and in order; Infinity: all rows. Resolves when all are judged.
  async catchUp(goal) {
    await this.ready;
    await this.loaded.fetch(goal);
    await this.#opening.done;
  }

  // Load the previous page of messages. False if there is none.
  async loadOlder() {
    const isThere = await this.loaded.loadOlder();
    await this.settled();
    this.#settle();
    return isThere;
  }

  // Load older pages until `isSo()` is true.
  async loadUntil(isSo) {
    while (!isSo() && await this.loadOlder());
  }
});
