// The alarm above a conversation: red, always in the same place. Nothing can be sent until the user has acted.

import { focusLater, offerAgain, onPress, showAlert } from "./dom.js";
import { notLast, rollback } from "./vault.js";
import { maySay, say, sentenceOf } from "./words.js";

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
