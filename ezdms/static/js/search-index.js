// What can be searched: the messages of one conversation, loaded page by page, decrypted and judged like in the thread
// (judge.js, changes.js). Texts are kept in memory, and sealed in the search index if there is one (session.js).

import { shown, targetOf } from "./changes.js";
import { b64uDecode, expiresAt, fingerprint } from "./crypto.js";
import { describe } from "./files.js";
import { swapIn } from "./guard.js";
import { Judge } from "./judge.js";
import { readHidden, stateOf, wasCleared } from "./remembered.js";
import { forgetTexts, prove, silence } from "./review.js";
import { getFragment } from "./server.js";
import { addKept, cutFromIndex, readIndex, searchIndex } from "./session.js";
import { folded, kindsIn, say } from "./words.js";

const PAGE = 200; // messages per request
const BATCH = 10; // decrypted at once: browsers may do that on the main thread, 0.7 ms each
const LAST = Number.MAX_SAFE_INTEGER;
const FOUND = ["text", "edited", "file"]; // states with something to find

// Other tasks come first, such as what a key does.
const letOthers = () => globalThis.scheduler?.yield?.() ?? new Promise((resolve) => { setTimeout(resolve); });

class Row {
  // `kept`: from the index, if it was opened before.
  constructor(dataset, conversation, kept = null) {
    Object.assign(this, { dataset, conversation, opened: kept?.opened ?? null, isOwn: "own" in dataset });
    Object.assign(this, { plain: null, text: "", kinds: [], file: null, expires: null });
    for (const name of ["seq", "n", "at"]) this[name] = Number(dataset[name]);
    this.keptText = kept ? kept.opened.message?.text ?? "" : null; // null: not in the index
  }

  // What the index needs to judge it again.
  get kept() {
    const { isOwn, seq, n, at, link, fact: { id, hash, isEmpty, reason, replaces, gone, expiresIn, ...said } } = this;
    const { kind, text, reference, e, x, ts } = said;
    const dataset = { messageId: id, hash, seq, n, at, replaces, gone, expiresIn };
    Object.assign(dataset, isOwn && { own: "" }, isEmpty || { sealed: "" });
    const message = kind === null ? null : { kind, text, reference, e, x, ts, ...link };
    return { dataset, opened: { message, isMarked: said.isMarked || reason === "hidden" } };
  }

  remark() {} // the thread says what is wrong with its place

  // What the user can find of it now. `view`: what it shows (changes.js), or null.
  show(view) {
    const [{ fact }, isFound] = [this, view !== null && FOUND.includes(view.state)];
    this.file = isFound && view.state === "file" ? view.text : null; // its description
    const { name, kind } = this.file ? describe(this.file) : {};
    const text = name ?? (isFound ? view.text : "");
    if (this.text !== text || (this.plain === null) === isFound) this.plain = isFound ? folded(text) : null;
    this.text = text;
    this.kinds = this.file ? ["file", kind] : kindsIn(text);
    const isEdit = fact.kind === "edit" && fact.x && fact.text;
    this.expires = isFound ? view.expires : isEdit ? expiresAt(fact.x, fact.createdAt, fact.ts) : null;
  }
}

// The messages of one conversation, from some row to the newest. `contact`: as stored (keystore.js).
export class Shelf {
  #about = new Map(); // id → the rows that change it, or claim to
  #byId = new Map(); // id → its rows
  #doubted = new Set(); // hashes of messages whose order is impossible
  #next = null; // the response with the page before
  #first = LAST; // seq
  #last = 0; // seq
  #isKept = false; // in the index
  #keeping = Promise.resolve();
  rows = []; // by seq, once a page is judged
  oldest = Infinity; // when the first row was stored (ms)
  hasOlder = true;

  static async of(me, conversation, contact) {
    const ik = b64uDecode(contact.ik, 32);
    const partner = { ik, fp: await fingerprint(ik) };
    const shelf = new Shelf(me, partner, conversation, contact);
    shelf.#isKept = stateOf(contact) !== "request" && await searchIndex() !== null;
    if (shelf.#isKept) await shelf.#restore();
    return shelf;
  }

  constructor(me, partner, conversation, contact) {
    Object.assign(this, { conversation, contact });
    const raise = (name) => { if (name.startsWith("order ")) this.#doubted.add(name.slice(6)); };
    const forget = (row) => { row.isForgotten = true; };
    this.judge = new Judge({ me, partner, conversation, known: contact, raise, forget });
  }

  // What the index has: judged again as if it had just been opened, against what is known now.
  async #restore() {
    const all = await readIndex(this.conversation);
    const rows = all.map(([, kept]) => new Row(kept.dataset, this.conversation, kept));
    if (rows.length) this.#extend(rows);
    for (let end = rows.length; end > 0; end -= PAGE) await this.#take(rows.slice(Math.max(0, end - PAGE), end));
  }

  // There are rows up to this seq.
  lacks(seq) { return this.#last > 0 && this.#last < seq; }

  // Load the page before. What cannot be verified is left out, and the thread says so.
  async loadOlder() {
    const before = this.#first;
    const text = await (this.#next ?? this.#ask(`before=${before}`)).finally(() => { this.#next = null; });
    const rows = await this.#read(text, (seq) => seq < before);
    this.#extend(rows);
    if (this.hasOlder) {
      this.#next = this.#ask(`before=${this.#first}`);
      this.#next.catch(() => {}); // said when it is needed
    }
    await this.#take(rows);
  }

  // These are before all others.
  #extend(rows) {
    const [first] = rows;
    this.hasOlder = first?.seq > 1 && !wasCleared(this.contact.cleared, first.isOwn, first.n);
    if (first) [this.#first, this.oldest, this.#last] = [first.seq, first.at, Math.max(this.#last, rows.at(-1).seq)];
  }

  // Load what came meanwhile.
  async loadNewer() {
    for (let rows = [null]; rows.length;) {
      const last = this.#last;
      rows = await this.#read(await this.#ask(`after=${last}`), (seq) => seq > last);
      this.#last = rows.at(-1)?.seq ?? last;
      await this.#take(rows);
    }
  }

  #ask(where) { return getFragment(`/messages/${this.conversation}?${where}&limit=${PAGE}&peek=1`); }

  // The rows of a page, with rising seqs that were asked for.
  async #read(text, isAsked) {
    const page = Object.assign(document.createElement("div"), { className: "rows" }); // never a part of the document
    await letOthers();
    if (!(await swapIn(text, page, "beforeend"))) throw new Error(say("left-out"));
    await letOthers();
    const rows = [...page.children].filter(({ localName }) => localName === "message-row")
      .map((element) => new Row({ ...element.dataset }, this.conversation));
    const isRising = rows.every(({ seq }, i) => isAsked(seq) && seq > (rows[i - 1]?.seq ?? 0));
    if (!isRising || rows.length > PAGE) throw new Error(say("left-out"));
    return rows;
  }

  async #take(rows) {
    await letOthers();
    if (!this.rows.length) this.judge.expect(rows);
    for (let i = 0; i < rows.length; i += BATCH) {
      const batch = rows.slice(i, i + BATCH);
      const open = async (row) => row.opened ?? this.judge.open(row);
      const opened = await Promise.all(batch.map((row) => open(row).catch((error) => ({ error }))));
      batch.forEach((row, at) => this.#place(row, opened[at]));
      await letOthers();
    }
    this.rows = this.rows.filter(({ isForgotten }) => !isForgotten).sort((one, other) => one.seq - other.seq);
    this.judge.settle(this.rows, this.#last);
    await letOthers();
    await this.#show([...rows, ...this.rows.filter((row) => row.plain !== null && this.#isDoubted(row))]);
  }

  #place(row, opened) {
    const judged = this.judge.judge(row, opened);
    row.dataset = row.opened = null; // decrypted
    if (!judged) return;
    Object.assign(row, judged);
    const { p, a } = opened.message ?? {};
    if (this.#isKept) row.link = { p, a };
    row.fact.jws = null;
    this.rows.push(row);
    push(this.#byId, row.fact.id, row);
    const about = targetOf(row.fact)?.[0] ?? (row.fact.isEmpty ? row.fact.replaces : null);
    if (about) push(this.#about, about, row);
  }

  // Recompute what these rows show, and those that they change.
  async #show(rows) {
    const own = rows.filter(({ fact }) => fact);
    const targets = new Set(own.flatMap((row) => [row, ...this.#byId.get(targetOf(row.fact)?.[0]) ?? []]));
    const about = ({ fact }) => // the message that it changes may not be loaded
      [fact.id, targetOf(fact)?.[0]].flatMap((id) => this.#about.get(id) ?? []);
    const all = [...new Set([...targets].flatMap((row) => [row, ...about(row)]))].filter((row) => !row.isForgotten);
    const now = Date.now();
    const facts = silence(all.map(({ fact }) => fact), this.contact);
    prove(facts, this.contact, now);
    const views = await shown(facts, { now });
    forgetTexts(facts, views, now);
    const hidden = new Set(readHidden(this.contact.hidden));
    for (const fact of facts) if (fact.kind === "edit" && hidden.has(fact.reference[0])) fact.text = "";
    all.forEach((row, i) => {
      const isLeftOut = row.failure || facts[i].isCleared || this.#isDoubted(row);
      if (targets.has(row)) row.show(isLeftOut ? null : views[i]);
    });
    if (this.#isKept) await this.#keep(all.filter((row, i) => row.fact === facts[i] && isSettled(row, views[i])));
  }

  // Store those that are new, and again those whose text is gone, in turn.
  #keep(rows) {
    this.#keeping = this.#keeping.then(async () => {
      const changed = this.#isKept ? rows.filter(({ fact, keptText }) => fact.text !== keptText) : [];
      for (const row of changed) row.keptText = row.fact.text;
      if (changed.length) await addKept(this.conversation, changed.map((row) => [[row.seq, row.fact.id], row.kept]));
    }).catch(() => {});
    return this.#keeping;
  }

  // Its place is impossible, and the user has not continued after that alarm.
  #isDoubted({ fact: { hash } }) {
    return this.#doubted.has(hash) && !this.contact.accepted.includes(`order ${hash}`);
  }

  // The user's devices know something else. False if that cannot be taken over, and everything must be loaded again.
  renew(contact) {
    const rest = ({ cleared, blocks, accepted, ik }) => JSON.stringify([cleared, blocks, accepted, ik]);
    const isSame = rest(contact) === rest(this.contact);
    this.contact = contact;
    if (!isSame) this.#leave();
    const hidden = new Set(readHidden(contact.hidden));
    this.#drop(this.rows.filter(({ fact, plain, keptText }) =>
      (plain !== null && hidden.has(fact.id)) || (keptText && fact.kind === "edit" && hidden.has(fact.reference[0]))));
    return isSame;
  }

  // Remove what has disappeared. Returns whether anything has.
  expire(now) {
    const over = this.rows.filter(({ expires }) => expires !== null && expires <= now);
    this.#drop(over);
    return over.length > 0;
  }

  // The index forgets all of it.
  #leave() {
    if (!this.#isKept) return;
    this.#isKept = false;
    this.#keeping = this.#keeping.then(() => cutFromIndex(this.conversation)).catch(() => {});
  }

  // These are gone: at once from what is found, then from facts and index.
  #drop(rows) {
    for (const row of rows) row.show(null);
    if (rows.length) this.#show(rows).catch(() => {});
  }
}

// The index keeps what was verified, and what has no content for a proven reason. Everything else is asked for again.
const isSettled = ({ failure, fact: { isEmpty } }, view) =>
  !failure && !(isEmpty && ["withheld", "undecided"].includes(view?.state));

function push(lists, key, row) {
  if (!lists.has(key)) lists.set(key, []);
  lists.get(key).push(row);
}
