// What stands between messages: one pill per day, and the divider where reading starts. It also finds the runs:
// messages of one person within a minute, of which only the last shows its time.

const RUN = 60000; // ms

export class Between {
  #from = Infinity; // the divider is above the first message of the other person from this seq on,
  #to = Infinity; // and counts those up to this one

  // `rows`: the element that contains them. `hasOlder()`: some older rows are not loaded.
  constructor(rows, hasOlder) {
    Object.assign(this, { rows, hasOlder });
    new MutationObserver(() => this.#arrange()).observe(rows, { childList: true });
  }

  // The row with the divider, if any.
  get firstNew() { return this.rows.querySelector(".new")?.parentElement; }

  divide(from, to) {
    [this.#from, this.#to] = [from, to];
    this.#arrange();
  }

  // A row has arrived. What arrives while nobody looks is new; what one writes ends it.
  note({ seq, isOwn }) {
    if (seq <= this.#to || !(isOwn || document.hidden)) return;
    this.#from = isOwn ? Infinity : Math.min(this.#from, seq);
    this.#to = seq;
  }

  #arrange() {
    const rows = [...this.rows.children].filter(({ placed }) => placed);
    const news = rows.filter(({ seq, isOwn }) => !isOwn && seq >= this.#from && seq <= this.#to);
    const isStartLoaded = rows[0]?.seq < this.#from || !this.hasOlder();
    const words = `${news.length} new message${news.length === 1 ? "" : "s"}`;
    let day = -Infinity;
    let start; // when the run started
    rows.forEach((row, i) => {
      const isNewDay = row.day > day; // never an earlier one: one pill for each, whatever the server claims
      const isFirstNew = isStartLoaded && row === news[0];
      const isJoined = i > 0 && !isNewDay && !isFirstNew && rows[i - 1].isOwn === row.isOwn;
      const isInRun = isJoined && Math.abs(row.at - start) <= RUN;
      if (isNewDay) day = row.day;
      if (!isInRun) start = row.at;
      row.showAbove(isNewDay, isFirstNew ? words : "");
      row.toggleAttribute("data-joined", isJoined);
      if (i) rows[i - 1].toggleAttribute("data-run", isInRun);
    });
    rows.at(-1)?.removeAttribute("data-run");
  }
}
