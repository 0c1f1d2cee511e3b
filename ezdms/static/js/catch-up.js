// Tracks which rows of a conversation are loaded, and fetches missing ones: each once, in order, whatever gets lost.

import { swapIn } from "./guard.js";
import { getFragment } from "./server.js";

const PAGE = 200; // messages per request when catching up
const LEFT_OUT = "The server’s response was left out.";

export class CatchUp {
  #rows = new Map(); // seq → its row
  #start = 0; // rows up to this seq are loaded by <older-messages>
  #complete = 0; // the highest seq up to which no later message is missing on this page
  #catching = Promise.resolve(); // one fetch at a time
  #fetching = 0; // how many are waiting or in progress
  #hasFailed = false; // the last one
  #loadingOlder = null;

  // `element` contains the rows; each finds its own place in it (message-row.js).
  constructor(element, conversation) {
    Object.assign(this, { element, conversation });
  }

  get #older() {
    return this.element.querySelector("older-messages");
  }

  get hasOlder() { return this.#older !== null; }

  // There may be newer rows that are not loaded.
  get hasNewer() { return this.#fetching > 0 || this.#hasFailed; }

  get complete() { return this.#complete; }

  rowOf(seq) { return this.#rows.get(seq); }

  // The newest rows have arrived. Without <older-messages>, none is missing before them, whatever their seq.
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

  // Record a row that found its place, to detect gaps.
  note(row) {
    this.#rows.set(row.seq, row);
    this.#advance();
  }

  // The conversation has reached this seq. If that is before the claimed start, the claim was wrong.
  follow(seq) {
    if (seq <= this.#start) this.#beginAfter(0);
  }

  // Remove a row that was a duplicate, so that another may have its seq.
  forget(row) {
    this.#rows.delete(row.seq);
    row.remove();
  }

  // Append rows. Nothing counts as read while nobody looks.
  async load(address) {
    const isSeen = !document.hidden && this.element.getRootNode() === document;
    const peek = isSeen ? "" : `${address.includes("?") ? "&" : "?"}peek=1`;
    if (!(await swapIn(await getFragment(address + peek), this.element, "beforeend"))) throw new Error(LEFT_OUT);
  }

  // Replace <older-messages> by the page it stands for, which is requested once. False if there is none.
  async loadOlder() {
    if (!this.hasOlder) return false;
    this.#loadingOlder ??= this.#replace(this.#older).finally(() => { this.#loadingOlder = null; });
    await this.#loadingOlder;
    return true;
  }

  async #replace(older) {
    await this.load(`/messages/${this.conversation}?before=${older.dataset.before}`);
    older.remove();
  }

  // Fetch missing rows up to seq `goal`; Infinity: all rows.
  fetch(goal) {
    this.#fetching += 1;
    const caughtUp = this.#catching.then(() => this.#fetchMissing(goal)); // after other rows of the same frame
    this.#catching = caughtUp.then(() => true, () => false).then((isDone) => {
      this.#hasFailed = !isDone;
      this.#fetching -= 1;
    });
    return this.#catching.then(() => caughtUp);
  }

  async #fetchMissing(goal) {
    let known;
    while (this.complete < goal && known !== this.complete) { // until nothing new arrives
      known = this.complete;
      await this.load(`/messages/${this.conversation}?after=${known}&limit=${PAGE}`);
    }
  }
}
