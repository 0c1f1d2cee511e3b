// Which rows of a conversation are here, and the fetching of those that are not: each once, in order, whatever is lost.

import { swapIn } from "./guard.js";
import { getFragment } from "./server.js";

const PAGE = 200; // messages asked for at once when catching up
const LEFT_OUT = "The server’s answer was left out.";

export class CatchUp {
  #rows = new Map(); // seq → its row
  #complete; // the highest seq up to which no message is missing on this page
  #catching = Promise.resolve(); // one after the other

  // `element` holds the rows; each finds its own place in it (message-row.js).
  constructor(element, conversation) {
    Object.assign(this, { element, conversation });
  }

  get complete() {
    return this.#complete ?? 0;
  }

  rowOf(seq) {
    return this.#rows.get(seq);
  }

  // There is nothing before this seq that is not loaded by <older-messages>.
  beginAfter(seq) {
    this.#complete ??= seq;
  }

  // A row has found its place: count it, so that holes are known.
  note(row) {
    this.#rows.set(row.seq, row);
    this.beginAfter(row.seq - 1);
    while (this.#rows.has(this.#complete + 1)) this.#complete += 1;
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

  loadBefore(seq) {
    return this.load(`/messages/${this.conversation}?before=${seq}`);
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
