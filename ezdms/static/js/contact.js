// What the user's devices know about the other person in a conversation: their pinned key, how they were verified, the
// last messages seen, and accepted alarms. Stored in this browser, and in the vault. And the alarm above a
// conversation: red, always in the same place. Nothing can be sent until the user has acted.

import { focusLater, offerAgain, onPress, showAlert } from "./dom.js";
import { changeContact, notLast, overwriteVault, rollback, stronger, syncVault } from "./vault.js";
import * as crypto from "./crypto.js";
import { setPerson } from "./conversation-list.js";
import { loadContact } from "./keystore.js";
import { meet, mergeRemembered, stateOf, wasCleared } from "./remembered.js";
import { getStanding } from "./session.js";
import { maySay, say, sentenceOf } from "./words.js";

const NUMBERS = "numbers"; // the name of the alarm that the safety numbers differ, and that they did
const DIFFERED = "numbers differed";
const NEW = { seq: 0, verified: "", own: null, theirs: null, accepted: [] };
const REMEMBER_AFTER = 1000; // ms; the read position is stored once for many messages

export class Contact {
  #remembering;
  #new = new Map(); // what is to be stored then
  known; // as stored (keystore.js); undefined before `load` and, if this person is new, before `pin`
  #isKept = false; // stored. A request is not, until the user has decided something about it

  // `raise(name, sentence, goOn)` raises an alarm, `changed()` is called when something else is known.
  constructor(conversation, { raise, changed }) {
    Object.assign(this, { conversation, raise, changed });
  }

  // Sync contacts from other devices. Reading works even if the server cannot be reached.
  async sync() {
    try {
      await syncVault((await getStanding()).vault_version);
    } catch (error) {
      const sentence = say("alarm-vault-kept", { why: sentenceOf(error) });
      if (error.kind === "alarm") this.raise("vault", sentence, overwriteVault);
    }
  }

  async load() {
    const stored = await loadContact(this.conversation);
    // What was hidden here is stored in a moment, and stays hidden meanwhile.
    const hidden = stored && mergeRemembered({ hidden: this.known?.hidden }, { hidden: stored.hidden });
    if (stored) this.known = { ...stored, ...hidden };
    this.#isKept = Boolean(stored);
    if (this.hasAccepted(DIFFERED)) this.raise(NUMBERS, say("alarm-numbers"), () => this.accept(NUMBERS));
    return this.known;
  }

  // Another tab or device may have changed it.
  async renew() {
    const before = JSON.stringify(this.known);
    await this.load();
    if (JSON.stringify(this.known) !== before) this.changed();
  }

  // "request", "accepted" or "blocked": what the server says of that is not even read.
  get state() { return stateOf(this.known); }

  // Remember the key statement of this person, if it is new. Of someone new nothing is stored.
  async pin({ pin, name }) {
    if (this.known?.hash === pin.hash) return; // the known statement
    const keep = () => this.#change(() => ({ ...pin, name }));
    try {
      if (this.known) crypto.checkSuccession(this.known, pin);
      if (this.#isKept) await keep();
      else this.known = { ...NEW, ...pin, name };
    } catch (error) {
      if (error.kind !== "alarm" || this.known.ik !== pin.ik) throw error;
      this.raise("statement", say("alarm-statement", { why: sentenceOf(error) }), keep);
    }
    setPerson(this.conversation, { name, ik: pin.ik });
  }

  async #change(change) {
    const { ik, seq, hash, suite, name } = this.known ?? {};
    const asPinned = (known) => (known.ik ? {} : { ik, seq, hash, suite, name });
    await changeContact(this.conversation, (known) => ({ ...asPinned(known), ...change(known) }));
    this.#isKept = true;
    await this.load();
    this.changed();
  }

  // Something changes for good: also someone new is known from now on.
  store(change) { return this.#change(change); }
  async keep() { if (this.known && !this.#isKept) await this.#change(() => ({})); }

  // The user decided something: {accepted} or {blocked}. `more(known)` returns what else changes.
  async meet(changed, more = () => ({})) {
    await this.#change((known) => ({ met: meet(known, changed, Date.now()), ...more(known) }));
    this.#store(); // what was seen before
  }

  // The user writes, which accepts a request.
  async answer() { if (this.state === "request") await this.meet({ accepted: true }); }

  // Mark this contact as verified.
  verify(how) { return this.#change(({ verified }) => ({ verified: stronger(verified, how) })); }

  // The safety numbers that the two compared differ. Remembered, so that the conversation stays locked.
  numbersDiffer() { return this.accept(DIFFERED); }

  // Accept the alarms with these names, here and on the user's other devices.
  accept(...names) { return this.#change(({ accepted }) => ({ accepted: [...accepted, ...names].slice(-50) })); }

  // The user removed this message from their own sight: here at once, on their other devices by the vault.
  hide(id) {
    const add = ({ hidden }) => mergeRemembered({ hidden: [id] }, { hidden });
    this.known = { ...this.known, ...add(this.known) };
    this.changed();
    return this.#change(add);
  }

  // True for a row with this number that was there when the user deleted the conversation.
  hasCleared(isOwn, n) { return wasCleared(this.known?.cleared, isOwn, n); }

  hasAccepted(name) { return this.known?.accepted.includes(name) ?? false; }

  // Store soon what is new, for example the last verified message of each side, to detect when a server later shows
  // less. `seen(known)` returns the members that change; of those with the same `about`, the last one counts.
  remember(seen, about = "seen") {
    this.#new.set(about, seen);
    clearTimeout(this.#remembering);
    this.#remembering = setTimeout(() => this.#store(), REMEMBER_AFTER);
  }

  // A request is not remembered, unless the user wrote in it on another device.
  #store() {
    const changes = [...this.#new.values()];
    const apply = (known) => changes.reduce((so, change) => ({ ...so, ...change({ ...known, ...so }) }), {});
    if (!changes.length || !(this.#isKept || apply(this.known ?? NEW).own)) return;
    this.#new.clear();
    this.#change(apply).catch(() => {});
  }
}

// What it may mean and what to do, by the first word of an alarm's name.
const aboutOf = (name) => maySay(`alarm-about-${name.split(" ")[0]}`) ?? "";

export class Alarms {
  #standing = new Map(); // name → {sentence, goOn}: runs on “Continue anyway”; null: not possible
  #isFolded = false; // the user keeps it locked

  // `changed` is called whenever an alarm is raised or accepted.
  constructor(region, changed) {
    this.region = region;
    this.changed = changed;
    [this.keep, this.why, this.button] = this.region.querySelectorAll("button");
    onPress(this.keep, () => this.#fold(true, this.why));
    onPress(this.why, () => this.#fold(false, this.keep));
    onPress(this.button, () => this.#goOn());
  }

  raise(name, sentence, goOn) {
    if (this.#standing.has(name)) return;
    this.#standing.set(name, { sentence, goOn });
    this.#isFolded = false;
    this.#show();
  }

  get stand() {
    return this.#standing.size > 0;
  }

  // True if one of the alarms cannot be accepted.
  get lock() {
    return [...this.#standing.values()].some(({ goOn }) => goOn === null);
  }

  #fold(isFolded, focused) {
    const focus = focusLater();
    this.#isFolded = isFolded;
    this.#show();
    focus(focused);
  }

  async #goOn() {
    for (const [name, { goOn }] of [...this.#standing]) { // those shown when it was pressed
      try { await goOn(); } catch (error) { return showAlert(this.region, sentenceOf(error)); }
      this.#standing.delete(name);
    }
    this.#show();
  }

  #show() {
    const said = [...this.#standing].flatMap(([name, { sentence }]) => [sentence, aboutOf(name)]);
    showAlert(this.region, this.#isFolded && this.stand ? say("alarm-locked") : [...new Set(said)].join(" ").trim());
    this.keep.hidden = !this.stand || this.#isFolded;
    this.why.hidden = !this.stand || !this.#isFolded;
    this.button.hidden = !this.stand || this.lock || this.#isFolded;
    this.changed();
  }
}

// Messages seen in an earlier session that are missing now: the server is asked for them. If it does not show them, it
// withholds them. While it does not answer, the page says so, and sends nothing.

export class LookUp {
  #answered = new Set(); // hashes that the server did not show when asked
  #isAsking = false;
  isOpen = false; // something is missing, and may be withheld by the server

  // `ask` fetches everything, `again` checks again what is missing. If `ask` fails, shows a notice below `alarm`.
  constructor(alarm, { ask, again }) {
    Object.assign(this, { ask, again });
    this.region = Object.assign(document.createElement("p"), { className: "connection unchecked", hidden: true });
    alarm.after(this.region);
  }

  // All rows of the thread are judged: raise the alarm for what the server withholds, and ask for what may still be
  // loading. Returns whether `isOpen` has changed.
  look(thread) {
    const { judge, loaded, contact } = thread;
    const wasOpen = this.isOpen;
    const isMissed = ([n, hash, side]) =>
      !contact.hasCleared(side === "own", n) && !contact.hasAccepted(rollback(hash));
    const missing = judge.missing(loaded.hasOlder).filter(isMissed).map(([, hash]) => hash);
    const open = missing.filter((hash) => !this.#answered.has(hash));
    this.isOpen = open.length > 0;
    if (!this.isOpen) this.region.hidden = true;
    else if (!this.#isAsking) this.#ask(open);
    for (const hash of missing.filter((each) => this.#answered.has(each))) {
      const goOn = () => contact.accept(rollback(hash), ...(judge.letGo(hash) ? [notLast(hash)] : []));
      thread.alarm(rollback(hash), say("alarm-rolled-back"), goOn);
    }
    return wasOpen !== this.isOpen;
  }

  async #ask(open) {
    this.#isAsking = true;
    const isAnswered = await this.ask().then(() => true, () => false);
    this.#isAsking = false;
    if (!isAnswered) return offerAgain(this.region, say("alarm-unchecked"), this.again); // or when connected
    for (const hash of open) this.#answered.add(hash);
    this.again();
  }
}
