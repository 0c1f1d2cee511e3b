// Which rows of a conversation are here, and the fetching of those that are not: each once, in order, whatever is lost.

import { swapIn } from "./guard.js";
import { getFragment } from "./server.js";

const PAGE = 200; // messages asked for at once when catching up
const LEFT_OUT = "The server’s answer was left out.";

export class CatchUp {
  #rows = new Map(); // seq → its row
  #start = 0; // what is at or before this seq is loaded by <older-messages>
  #complete = 0; // the highest seq up to which no message after that is missing on this page
  #catching = Promise.resolve(); // one after the other

  // `element` holds the rows; each finds its own place in it (message-row.js).
  constructor(element, conversation) {
    Object.assign(this, { element, conversation });
  }

  get #older() {
    return this.element.querySelector("older-messages");
  }

  get hasOlder() {
    return this.#older !== null;
  }

  get complete() {
    return this.#complete;
  }

  rowOf(seq) {
    return this.#rows.get(seq);
  }

  // The newest rows came: none is missing before them if <older-messages> does not stand there. What seq one of them
  // has says nothing.
  begin() {
    this.#beginAfter(this.hasOlder ? Number(this.#older.dataset.before) - 1 : 0);
  }

  #beginAfter(seq) {
    this.#start = this.#complete = seq;
    this.#advance();
  }

  #advance() {
    while (this.#rows.has(this.#complete + 1)) this.#complete += 1;
  }

  // A row has found its place: count it, so that holes are known.
  note(row) {
    this.#rows.set(row.seq, row);
    this.#advance();
  }

  // The conversation has come to this seq. If that is before all that should be here, where it begins was not true.
  follow(seq) {
    if (seq <= this.#start) this.#beginAfter(0);
  }

  // It was no message of its own: another may stand at its seq.
  forget(row) {
    this.#rows.delete(row.seq);
    row.remove();
  }

  // Put rows at the end.
  async load(address) {
    if (!(await swapIn(await getFragment(address), this.element, "beforeend"))) throw new Error(LEFT_OUT);
  }

  // The page that <older-messages> stands for, in its place. False if there is none.
  async loadOlder() {
    const older = this.#older;
    if (!older) return false;
    await this.load(`/messages/${this.conversation}?before=${older.dataset.before}`);
    older.remove();
    return true;
  }

  // Fetch everything up to seq `goal` that is missing; Infinity: whatever there is by now.
  fetch(goal) {
    const caughtUp = this.#catching.then(() => this.#fetchMissing(goal)); // after the other rows of the same frame
    this.#catching = caughtUp.catch(() => {});
    return caughtUp;
  }

  async #fetchMissing(goal) {
    let known;
    while (this.complete < goal && known !== this.complete) { // until nothing comes any more
      known = this.complete;
      await this.load(`/messages/${this.conversation}?after=${known}&limit=${PAGE}`);
    }
  }
}
