// <message-thread>: one conversation. Knows both keys, raises the alarm, and fetches what was missed; judge.js judges.

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
import { identify } from "./partner.js";
import { account, getStanding } from "./session.js";
import { changeContact, notLast, overwriteVault, stronger, syncVault } from "./vault.js";

const REMEMBER_AFTER = 1000; // ms; how far a conversation was seen is noted once for many messages
const ROLLED_BACK = "The server no longer shows messages that were here before.";
const rollback = (hash) => `rollback ${hash}`; // the name of that alarm
const NO_KEYS = "This browser no longer holds your keys. Please log out and log in again with your Login PIN.";
const NOT_LOADED = "The server’s answer does not say whose conversation this is.";

customElements.define("message-thread", class extends HTMLElement {
  #judging = Promise.resolve(); // messages are opened side by side, but judged in the order they stand
  #waiting = 0; // messages that are not judged yet
  #followed = 0; // the seq that the list said last
  #learn;
  #facts = new Promise((resolve) => { this.#learn = resolve; }); // what the server says of the conversation
  #alarms;
  #lookUp; // of what was seen on another day
  #remembering;
  #listeners = { contact: [], alarm: [], judged: [] };
  #scrolled = 0;
  judge; // once it is known who the two are
  loaded; // CatchUp: which rows are here

  connectedCallback() {
    if (this.rows) return; // put away and shown again
    this.rows = this.querySelector(".rows");
    this.rows.id = `rows-${this.conversation}`;
    this.loaded = new CatchUp(this.rows, this.conversation);
    this.log = this.querySelector("message-log");
    this.#alarms = new Alarms(this.querySelector(".alarm"), () => this.#tell("alarm"));
    const again = () => this.#waiting || this.#settle();
    this.#lookUp = new LookUp(this.querySelector(".alarm"), { again, ask: () => this.catchUp(Infinity) });
    this.ready = this.#identify();
    this.ready.then(again, (error) => this.alarm("key", error.message, null));
    this.#load();
  }

  // The page shows this conversation from now on, or another one.
  enter() {
    this.log.scrollTop = this.#scrolled;
    this.#followed = 0;
    this.#lookUp.again();
    this.querySelector("message-composer").enter();
  }

  leave() { this.#scrolled = this.log.scrollTop; }

  // What happens here others hear from this element alone: no event that anything else could send.
  onContact(heard) { this.#listeners.contact.push(heard); }
  onAlarm(heard) { this.#listeners.alarm.push(heard); }
  onJudged(heard) { this.#listeners.judged.push(heard); }
  #tell(what) { this.#listeners[what].forEach((heard) => heard()); }

  // An alarm stands: nothing can be written. What was written is not sent before it is known whether there is one.
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

  // The facts came (<thread-facts>): whoever they are about must be found to be true.
  begin(facts) {
    this.hasFacts = true;
    this.#learn(facts);
  }

  // Who I am, whom I talk to, and how I know. A server that swaps a key is stopped here.
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
    if (facts.ownHash) this.judge.noteOwn(Number(facts.ownN), facts.ownHash);
    this.#showPartner(partner, facts.left !== undefined);
    return { me, partner };
  }

  // By the name that they signed, whatever the server calls them.
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

  // What my other browsers know of my contacts; a server that cannot be reached keeps nobody from reading.
  async #readVault() {
    try {
      await syncVault((await getStanding()).vault_version);
    } catch (error) {
      const sentence = `${error.message} What this browser knows is kept.`;
      if (error.kind === "alarm") this.alarm("vault", sentence, overwriteVault);
    }
  }

  async #pin({ pin, name }) {
    if (this.contact?.hash === pin.hash) return; // the statement that is known
    const keep = () => this.#change(() => ({ ...pin, name }));
    try {
      if (this.contact) crypto.checkSuccession(this.contact, pin);
      await keep();
    } catch (error) {
      if (error.kind !== "alarm" || this.contact.ik !== pin.ik) throw error;
      this.alarm("statement", `${error.message} Ask them by another way whether they changed something.`, keep);
    }
    setName(this.conversation, name);
  }

  async #change(change) {
    await changeContact(this.conversation, change);
    this.contact = await loadContact(this.conversation);
    this.#tell("contact");
  }

  // From now on this person counts as verified.
  verify(how) { return this.#change(({ verified }) => ({ verified: stronger(verified, how) })); }

  // `goOn` does what going on after it means; null: one cannot. What a person went on after once is no alarm again.
  alarm(name, sentence, goOn) {
    if (!this.contact?.accepted.includes(name)) this.#alarms.raise(name, sentence, goOn);
  }

  // What this name stands for was seen and is no alarm any more, here and in one's other browsers.
  #accept = (...names) => () => this.#change(({ accepted }) => ({ accepted: [...accepted, ...names].slice(-50) }));

  // A row has found its place.
  arrived(row) {
    this.loaded.note(row);
    const opening = this.ready.then(() => this.judge.open(row));
    this.#waiting += 1;
    this.#judging = this.#judging.then(async () => {
      const opened = await opening.catch((error) => ({ error }));
      this.#show(row, opened);
      this.#tell("judged");
      this.#waiting -= 1;
      if (!this.#waiting) this.#settle();
    });
  }

  #show(row, opened) {
    // What a screen reader says: no name that somebody can have begins as one's own messages do.
    const sender = row.isOwn ? "Sent by you" : `Received from ${this.partnerName ?? "nobody known"}`;
    if (!this.judge) return row.show({ failure: "Not opened" }, sender);
    const result = this.judge.judge(row, opened);
    if (result) row.show(result, sender, result.message && crypto.isTimeOff(result.message.ts, row.at));
  }

  // All rows that came are judged: say in place what is amiss, and remember how far one has seen.
  #settle() {
    if (!this.judge) return;
    this.judge.settle([...this.rows.children], this.loaded.complete);
    this.#lookBack();
    clearTimeout(this.#remembering);
    this.#remembering = setTimeout(() => this.#remember().catch(() => {}), REMEMBER_AFTER);
  }

  #isUnaccepted = (hash) => !this.contact.accepted.includes(rollback(hash));

  // A message that was seen on another day is not here. It may be on its way; if not, the server withholds it.
  #lookBack() {
    const missing = this.judge.missing(this.loaded.hasOlder).map(([, hash]) => hash).filter(this.#isUnaccepted);
    const wasOpen = this.#lookUp.isOpen;
    for (const hash of this.#lookUp.look(missing)) {
      const names = () => [rollback(hash), ...(this.judge.letGo(hash) ? [notLast(hash)] : [])];
      this.alarm(rollback(hash), ROLLED_BACK, () => this.#accept(...names())());
    }
    if (wasOpen !== this.#lookUp.isOpen) this.#tell("alarm");
  }

  // The last verified message of each side, for the day on which a server shows less.
  #remember() { return this.#change(() => this.judge.seen); }

  // Resolves once every row that is here is judged.
  async settled() {
    await this.ready.catch(() => {});
    await this.#judging;
  }

  // The list says that the conversation has come to this seq. True if that is news.
  follow(seq) {
    if (seq <= this.#followed) return false;
    this.#followed = seq;
    this.loaded.follow(seq);
    this.catchUp(seq).catch(() => {}); // tried again after the next connect
    return true;
  }

  // The connection is back: whatever is missing is asked for again.
  reconnect() {
    this.#followed = 0;
    if (this.isUnloaded) this.#load();
    this.#lookUp.again();
    this.querySelector("message-composer").flush();
  }

  // Fetch what this page lacks up to seq `goal`, once and in order; Infinity: whatever there is by now. Resolves when
  // it is all judged.
  async catchUp(goal) {
    await this.ready;
    await this.loaded.fetch(goal);
    await this.#judging;
  }

  // The messages before those that are here. If none came, what is missed is not there. False: there are none.
  async loadOlder() {
    const isThere = await this.loaded.loadOlder();
    await this.settled();
    this.#settle();
    return isThere;
  }

  // Load older pages until it is so.
  async loadUntil(isSo) {
    while (!isSo() && await this.loadOlder());
  }
});
