// Tracks which rows of a conversation are loaded, and fetches missing ones: each once, in order, whatever gets lost.
// Decrypts rows as they arrive, in parallel, and has them judged in order. On the first page the newest come first:
// they are in view, and decrypting a page takes a second in Safari.

import { swapIn } from "./guard.js";
import { getFragment } from "./server.js";
import { monthOf, say } from "./words.js";

const PAGE = 200; // messages per request when catching up
const IN_VIEW = 15; // rows; more than fit into a window
const DRAW_EVERY = 200; // ms; while many arrive

export class CatchUp {
  #rows = new Map(); // seq → its row
  #start = 0; // rows up to this seq are loaded by <older-messages>
  #complete = 0; // the highest seq up to which no later message is missing on this page
  #catching = Promise.resolve(); // one fetch at a time
  #fetching = 0; // how many are waiting or in progress
  #hasFailed = false; // the last one
  #loadingOlder = null;

  // `element` contains the rows; each finds its own place in it (message-row.js). `wasCleared(row)`: the user deleted
  // it with the conversation, and so everything before it.
  constructor(element, conversation, wasCleared) {
    Object.assign(this, { element, conversation, wasCleared });
  }

  get #older() {
    return this.element.querySelector("older-messages");
  }

  get hasOlder() {
    const first = this.element.querySelector("message-row");
    return this.#older !== null && !(first && this.wasCleared(first));
  }

  // There may be newer rows that are not loaded.
  get hasNewer() { return this.#fetching > 0 || this.#hasFailed; }

  get complete() { return this.#complete; }

  rowOf(seq) { return this.#rows.get(seq); }

  // The newest rows have arrived. Without <older-messages>, none is missing before them, whatever their seq.
  begin() {
    this.#beginAfter(this.#older ? Number(this.#older.dataset.before) - 1 : 0);
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
    if (!(await swapIn(await getFragment(address + peek), this.element, "beforeend"))) throw new Error(say("left-out"));
  }

  // Replace <older-messages> by the page it stands for, which is requested once. False if there is none.
  async loadOlder(limit) {
    if (!this.hasOlder) return false;
    this.#loadingOlder ??= this.#replace(this.#older, limit).finally(() => { this.#loadingOlder = null; });
    await this.#loadingOlder;
    return true;
  }

  async #replace(older, limit) {
    const most = limit ? `&limit=${limit}` : "";
    await this.load(`/messages/${this.conversation}?before=${older.dataset.before}${most}`);
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

// Load pages by `loadMore()`, which returns whether there was one, until `isSo()` is true, or the user stops that or
// leaves: then false. From the second page on, nothing is shown meanwhile but how far it is: laying out thousands of
// rows again with each page takes minutes.
export async function seek(thread, isSo, loadMore) {
  const { log, rows } = thread;
  const [seeking, { scrollTop }] = [thread.querySelector(".seeking"), log];
  const show = (isShown) => {
    seeking.hidden = !isShown;
    log.toggleAttribute("data-seeking", isShown);
  };
  log.isStopped = false;
  const isOver = () => log.isStopped || !thread.isConnected;
  try {
    for (let page = 0; !isSo() && !isOver() && await loadMore(); page += 1) {
      if (!page) continue;
      show(true);
      const { at } = rows.querySelector("message-row");
      const said = [say("loading-earlier"), say("loaded-back", { count: rows.childElementCount, month: monthOf(at) })];
      said.forEach((words, i) => { seeking.children[i].textContent = words; });
    }
  } finally {
    if (!seeking.hidden) {
      show(false);
      thread.between.arrange();
      if (isOver()) log.scrollTop = scrollTop;
      log.count();
    }
  }
  return !isOver();
}

// True if the order in which these rows are judged cannot matter: the numbers of each side rise, and no id comes twice.
// These are only the server's claims; whether they are true is judged for each row, in any order.
function isOrderly(rows) {
  const isRising = ({ n }, i, side) => i === 0 || n > side[i - 1].n;
  return [true, false].every((isOwn) => rows.filter((row) => row.isOwn === isOwn).every(isRising))
    && new Set(rows.map((row) => row.dataset.messageId)).size === rows.length;
}

export class Opening {
  #first = []; // rows of the first page, until `begin`; then null
  #waiting = 0; // rows not judged yet
  #drawn = -Infinity; // when they were drawn last (performance.now)
  done = Promise.resolve(); // resolves once all rows until now are shown

  // `open(row)` decrypts a row. `judge(row, opened)` judges it. `draw()` shows what was judged until now. `settle()`
  // runs whenever all are judged, and shows them.
  constructor({ open, judge, draw, settle }) {
    Object.assign(this, { open, judge, draw, settle });
  }

  get isBusy() {
    return this.#waiting > 0;
  }

  add(row) {
    this.#waiting += 1;
    if (this.#first) this.#first.push(row);
    else this.#take([row]);
  }

  // The rows of the first page, oldest first.
  get rows() {
    return this.#first.sort((one, other) => one.seq - other.seq);
  }

  // The first page is here, and it is known who wrote it, or cannot be known.
  begin() {
    const { rows } = this;
    this.#first = null;
    const newest = isOrderly(rows) ? rows.splice(-IN_VIEW) : [];
    this.#take(newest);
    this.#take(rows, this.done);
  }

  // Decrypt these rows once `before` has resolved, and judge them after all earlier ones.
  #take(rows, before = Promise.resolve()) {
    const opening = rows.map((row) => before.then(() => this.open(row)).catch((error) => ({ error })));
    this.done = this.done.then(async () => {
      for (const [i, row] of rows.entries()) {
        this.judge(row, await opening[i]);
        this.#waiting -= 1;
      }
      const isDue = rows.length > 1 || performance.now() - this.#drawn > DRAW_EVERY;
      if (!this.#waiting) await this.settle();
      else if (isDue) await this.draw();
      else return;
      this.#drawn = performance.now();
    });
  }
}

const REPORTED = ["text", "edit", "file"];
const KEPT_NOT = ["expired", "hidden"];

// The signed messages of others that this page has shown, as evidence for a report. What their sender deletes or edits
// away stays until the page is closed; what disappears, or the user deletes, does not.

export const originals = new Map(); // conversation → Map: id → {id, n, jws, kind, text, at, ts, x, about, isDeleted}

// Drop those for which `isOver(original)` is true.
export function dropOriginals(conversation, isOver) {
  const kept = originals.get(conversation) ?? new Map();
  for (const [id, original] of kept) if (isOver(original)) kept.delete(id);
  return kept;
}

// `views`: what the rows show (changes.js), by the same index as their facts.
export function keepOriginals(conversation, facts, views) {
  const kept = originals.get(conversation) ?? new Map();
  originals.set(conversation, kept);
  facts.forEach((fact, i) => {
    const { id, n, jws, kind, text, createdAt: at, ts, x, side, reference, isCleared } = fact;
    const { state } = views[i] ?? {};
    if (side !== "theirs") return;
    if (jws && REPORTED.includes(kind) && !isCleared && !kept.has(id)) {
      kept.set(id, { id, n, jws, kind, text, at, ts, x, about: kind === "edit" ? reference[0] : id });
    }
    if (state === "deleted" && kept.has(id)) kept.get(id).isDeleted = true;
    if (isCleared || KEPT_NOT.includes(state)) dropOriginals(conversation, ({ about }) => about === id);
  });
}
