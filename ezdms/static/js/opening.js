// Decrypts rows as they arrive, in parallel, and judges them in order. On the first page the newest come first: they
// are in view, and decrypting a page takes a second in Safari.

const IN_VIEW = 15; // rows; more than fit into a window
const DRAW_EVERY = 200; // ms; while many arrive

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
