// What a search finds, and where: words in any order, "phrases", senders and dates, ignoring case, accents and width
// (twin of client/searching.py); and the messages of one conversation, loaded page by page, decrypted and judged like
// in the thread (judge.js, changes.js). Texts are kept in memory only.

import { shown, targetOf } from "./changes.js";
import { b64uDecode, fingerprint } from "./crypto.js";
import { describe } from "./files.js";
import { swapIn } from "./guard.js";
import { Judge } from "./judge.js";
import { readHidden, wasCleared } from "./remembered.js";
import { forgetTexts, prove, silence } from "./review.js";
import { getFragment } from "./server.js";
import { say } from "./words.js";

// Accents of letters (Latin, Greek, Cyrillic), points of Hebrew and Arabic, variation selectors, and what nobody sees.
// A fixed list, which does not depend on anyone's version of Unicode. Vowel signs of other scripts are letters.
const LEFT_OUT = RegExp("[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
  + "\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\u00ad\u200b\u2060"
  + "\ufeff]", "g");
const LINK = /(?:https?:\/\/|www\.)\S/i;
const QUOTES = /[“”„«»]/g; // what phones type for "
const KINDS = ["picture", "file", "link"]; // what a message can have
const PART = /(?:(from|has|on|since|until):)?(?:"([^"]*)(?:"|$)|([^\s"]+))/g;
const DATE = /^([1-9][0-9]{3})(?:-([0-9]{2})(?:-([0-9]{2}))?)?$/;
const ME = "me"; // usernames have at least three characters
const FOUND = ["text", "edited", "file"]; // states with something to find

export const bare = (text) => text.normalize("NFKD").replace(LEFT_OUT, "").toLowerCase().toUpperCase().toLowerCase()
  .normalize("NFKD").replace(/ς/g, "σ").replace(LEFT_OUT, "");

// The form in which texts are compared: without case, accents and width (NFKD); one space between words.
export const folded = (text) => bare(text).replace(/\s+/g, " ").trim();

// {words, senders, has, since, until}: all words must occur, in any order; a phrase is one of them, with spaces.
// `senders`: "me", or parts of names. `has`: of KINDS. `since` and `until` (ms): not before, and before. What has the
// form of none is a word.
export function readQuery(typed) {
  const query = { words: [], senders: [], has: [], since: 0, until: Infinity };
  for (const [, name, phrase = "", word = ""] of typed.replace(QUOTES, "\"").matchAll(PART)) {
    const value = folded(phrase || word);
    const span = name && name !== "from" ? spanOf(word) : null;
    if (name === "from" && value) query.senders.push(value);
    else if (name === "has" && KINDS.includes(value)) query.has.push(value);
    else if (span) {
      if (name !== "until") query.since = Math.max(query.since, span[0]);
      if (name !== "since") query.until = Math.min(query.until, span[1]);
    } else if (name && word) query.words.push(folded(`${name}:${word}`));
    else if (value) query.words.push(value);
  }
  return query;
}

// True if it would find everything.
export const isEmpty = ({ words, senders, has, since, until }) =>
  !words.length && !senders.length && !has.length && !since && until === Infinity;

// From when until when a day, month or year lasts here (ms); null for none.
function spanOf(date) {
  const [, year, month, day] = DATE.exec(date)?.map(Number) ?? [];
  if (!year || month === 0 || month > 12 || day === 0 || day > new Date(year, month, 0).getDate()) return null;
  const begin = new Date(year, (month || 1) - 1, day || 1);
  const end = day ? new Date(year, month - 1, day + 1) : month ? new Date(year, month, 1) : new Date(year + 1, 0, 1);
  return [begin.getTime(), end.getTime()];
}

// What a text has.
export const kindsIn = (text) => (LINK.test(text) ? ["link"] : []);

// `plain`: the folded text, or null for what cannot be found. `kinds`: of KINDS. `names`: folded ones of the other.
export const finds = ({ words, senders, has, since, until }, { plain, kinds, at, isOwn }, names) => plain !== null
  && since <= at && at < until
  && senders.every((sender) => (sender === ME ? isOwn : !isOwn && names.some((name) => name.includes(sender))))
  && has.every((kind) => kinds.includes(kind)) && words.every((word) => plain.includes(word));

const PAGE = 200; // messages per request
const BATCH = 10; // decrypted at once: browsers may do that on the main thread, 0.7 ms each
const LAST = Number.MAX_SAFE_INTEGER;

// Other tasks, such as what a key does, come first.
const letOthers = () => globalThis.scheduler?.yield?.() ?? new Promise((resolve) => { setTimeout(resolve); });

class Row {
  constructor(element, conversation) {
    this.dataset = { ...element.dataset };
    const isOwn = element.hasAttribute("data-own");
    Object.assign(this, { conversation, isOwn, plain: null, text: "", kinds: [], file: null, expires: null });
    for (const name of ["seq", "n", "at"]) this[name] = Number(this.dataset[name]);
  }

  remark() {} // the thread says what is wrong with its place

  // What the user can find of it now. `view`: what it shows (changes.js), or null.
  show(view) {
    const isFound = view !== null && FOUND.includes(view.state);
    this.file = isFound && view.state === "file" ? view.text : null; // its description
    const { name, kind } = this.file ? describe(this.file) : {};
    const text = name ?? (isFound ? view.text : "");
    if (this.text !== text || (this.plain === null) === isFound) this.plain = isFound ? folded(text) : null;
    this.text = text;
    this.kinds = this.file ? ["file", kind] : kindsIn(text);
    this.expires = isFound ? view.expires : null;
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
  rows = []; // by seq, once a page is judged
  oldest = Infinity; // when the first row was stored (ms)
  hasOlder = true;

  static async of(me, conversation, contact) {
    const ik = b64uDecode(contact.ik, 32);
    const partner = { ik, fp: await fingerprint(ik) };
    return new Shelf(me, partner, conversation, contact);
  }

  constructor(me, partner, conversation, contact) {
    Object.assign(this, { conversation, contact });
    const raise = (name) => { if (name.startsWith("order ")) this.#doubted.add(name.slice(6)); };
    const forget = (row) => { row.isForgotten = true; };
    this.judge = new Judge({ me, partner, conversation, known: contact, raise, forget });
  }

  // There are rows up to this seq.
  lacks(seq) { return this.#last > 0 && this.#last < seq; }

  // Load the page before. What cannot be verified is left out, and the thread says so.
  async loadOlder() {
    const before = this.#first;
    const text = await (this.#next ?? this.#ask(`before=${before}`)).finally(() => { this.#next = null; });
    const rows = await this.#read(text, (seq) => seq < before);
    const [first] = rows;
    this.hasOlder = first?.seq > 1 && !wasCleared(this.contact.cleared, first.isOwn, first.n);
    if (first) [this.#first, this.oldest, this.#last] = [first.seq, first.at, Math.max(this.#last, rows.at(-1).seq)];
    if (this.hasOlder) {
      this.#next = this.#ask(`before=${first.seq}`);
      this.#next.catch(() => {}); // said when it is needed
    }
    await this.#take(rows);
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
      .map((element) => new Row(element, this.conversation));
    const isRising = rows.every(({ seq }, i) => isAsked(seq) && seq > (rows[i - 1]?.seq ?? 0));
    if (!isRising || rows.length > PAGE) throw new Error(say("left-out"));
    return rows;
  }

  async #take(rows) {
    await letOthers();
    if (!this.rows.length) this.judge.expect(rows);
    for (let i = 0; i < rows.length; i += BATCH) {
      const batch = rows.slice(i, i + BATCH);
      const opened = await Promise.all(batch.map((row) => this.judge.open(row).catch((error) => ({ error }))));
      batch.forEach((row, at) => this.#place(row, this.judge.judge(row, opened[at])));
      await letOthers();
    }
    this.rows = this.rows.filter(({ isForgotten }) => !isForgotten).sort((one, other) => one.seq - other.seq);
    this.judge.settle(this.rows, this.#last);
    await letOthers();
    await this.#show([...rows, ...this.rows.filter((row) => row.plain !== null && this.#isDoubted(row))]);
  }

  #place(row, judged) {
    row.dataset = null; // decrypted
    if (!judged) return;
    Object.assign(row, judged);
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
    const all = [...new Set([...targets].flatMap((row) => [row, ...this.#about.get(row.fact.id) ?? []]))]
      .filter(({ isForgotten }) => !isForgotten);
    const now = Date.now();
    const facts = silence(all.map(({ fact }) => fact), this.contact);
    prove(facts, this.contact, now);
    const views = await shown(facts, { now });
    forgetTexts(facts, views, now);
    all.forEach((row, i) => {
      const isLeftOut = row.failure || facts[i].isCleared || this.#isDoubted(row);
      if (targets.has(row)) row.show(isLeftOut ? null : views[i]);
    });
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
    const hidden = new Set(readHidden(contact.hidden));
    for (const row of this.rows) if (hidden.has(row.fact.id)) row.show(null);
    return isSame;
  }

  // Remove what has disappeared. Returns whether anything has.
  expire(now) {
    const over = this.rows.filter(({ expires }) => expires !== null && expires <= now);
    for (const row of over) row.show(null);
    if (over.length) this.#show(over).catch(() => {}); // also from the facts
    return over.length > 0;
  }
}

function push(lists, key, row) {
  if (!lists.has(key)) lists.set(key, []);
  lists.get(key).push(row);
}
