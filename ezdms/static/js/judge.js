// Judges the messages of one conversation (docs/protocol.md, Receiving): decrypts each row, follows both chains, and
// checks the order of the two sides. Only signed messages change its state. Alarms, notes and failures are keys of the
// words in parts/words.html. Twin of client/receiving.py.

import { isDescribed, targetOf } from "./changes.js";
import * as crypto from "./crypto.js";

const AHEAD = 1000; // servers accept no number further above the last one
// Decrypt a row: {message}, or {error} (why it cannot be shown), or neither if it has no content. {isMarked}: the user
// removed it from their own sight. `partner`: {ik, fp}, as verified.
export async function openRow(me, partner, conversation, { isOwn, dataset }) {
  const { messageId: message_id, hash, n, suite, sealed, mark } = dataset;
  const isMarked = mark !== undefined
    && await crypto.verifyMark(mark, me, conversation, message_id, hash).then(() => true, () => false);
  if (sealed === undefined) return { isMarked };
  const [sender, recipient] = isOwn ? [me, partner] : [partner, me];
  const claimed = { message_id, hash, n: Number(n), suite: Number(suite), encrypted: sealed };
  try {
    const message = await crypto.openMessage(me, sender, recipient.fp, conversation, claimed);
    const { expiresIn = 0, replaces = null, file = null } = dataset;
    const isRight = isDescribed(message, { expires_in: Number(expiresIn), replaces, file });
    if (!isRight) throw new Error("Expected the server to describe this message as it is.");
    return { message, isMarked };
  } catch (error) {
    return { error, isMarked };
  }
}

// The fact (changes.js) of a judged row. `message`: its verified content, or null. Also holds what the server claims
// about an empty row, and whether the user's mark was found: review.js finds the reason that is proven.
export function factOf({ isOwn, dataset }, message, isMarked) {
  const { messageId: id, n, hash, at, sealed, replaces = null, gone = null, expiresIn = 0 } = dataset;
  const { kind = null, text = "", reference = null, e = null, x = 0, ts = 0, jws = null } = message ?? {};
  return {
    side: isOwn ? "own" : "theirs", id, n: Number(n), hash, kind, text, reference, e, x, ts, jws, createdAt: Number(at),
    isEmpty: sealed === undefined, replaces, reason: "", gone, expiresIn: Number(expiresIn), isMarked,
  };
}

export class Judge {
  #rows = new Map(); // judged row → {side, n, hash, a, isVerified}
  #unsigned = new Set(); // those that were not verified
  #ids = new Map(); // side and message_id of verified messages → hash
  #hasLetGo = false;
  #shown = new Set(); // ids of one's own messages that the server shows, even if gone
  #own; // [n, hash] of one's own highest message, verified, remembered or sent, or null
  #claimed = new Map(); // n → hash of one's own messages, according to the server

  // `known`: {own, theirs}, each [n, hash] of the last message in an earlier session, or null. `raise(name, sentence)`
  // raises an alarm, `forget(row)` removes a row that duplicates another.
  constructor({ me, partner, conversation, known, raise, forget }) {
    Object.assign(this, { me, partner, conversation, raise, forget });
    this.chains = { own: crypto.newChain(known.own), theirs: crypto.newChain(known.theirs) };
    this.#own = known.own;
    this.acknowledged = known.theirs ?? [0, ""];
  }

  // The server claims that one's own message with this number exists.
  noteOwn(n, hash) {
    if (!this.#claimed.has(n)) this.#claimed.set(n, hash);
  }

  // It exists: it was verified, or sent from here.
  keepOwn(n, hash) {
    if (n > (this.#own?.[0] ?? 0)) this.#own = [n, hash];
  }

  // Unverified numbers are trusted only up to this one; otherwise one false number would use up all below it.
  get #reach() {
    return (this.#own?.[0] ?? 0) + AHEAD;
  }

  // [n, p] of one's own next message.
  get next() {
    return crypto.nextLink(this.#own, [...this.#claimed].filter(([n]) => n < this.#reach));
  }

  // The server claims more of one's own messages than can be trusted from here.
  get isBehind() {
    return [...this.#claimed.keys()].some((n) => n >= this.#reach);
  }

  // The user continued although a known message is missing. If it is one's own, and so far ahead that no server accepts
  // the next number, the next message follows what is shown (returns true). Otherwise the number stays used.
  letGo(hash) {
    const { known, last } = this.chains.own;
    if (known?.[1] !== hash || known[0] - (last?.[0] ?? 0) < AHEAD) return false;
    this.chains.own.known = null;
    this.#own = last;
    this.#hasLetGo = true;
    return true;
  }

  // True if one's next message now has a different number: a later one, or an earlier one after letGo.
  isPast(n) {
    const [next] = this.next;
    return next > n || (next < n && this.#hasLetGo);
  }

  // The rows of the first page, before any is judged: no number above the first of each side may be missing.
  expect(rows) {
    for (const [side, chain] of Object.entries(this.chains)) {
      chain.start = rows.find(({ isOwn }) => isOwn === (side === "own"))?.n ?? 0;
    }
  }

  // Rows are decrypted in parallel, but judged in order (below).
  open(row) { return openRow(this.me, this.partner, this.conversation, row); }

  // True if the server shows this message of one's own, even if gone.
  shows(id) {
    return this.#shown.has(id);
  }

  // {fact, failure}: the row's fact, and why it cannot be shown, if so; null for a message that is already shown.
  judge(row, opened) {
    const result = this.#place(row, opened);
    if (result && !result.failure && row.isOwn) this.#shown.add(row.dataset.messageId);
    return result;
  }

  #place(row, { message = null, error, isMarked = false }) {
    const { hash, messageId } = row.dataset;
    const side = row.isOwn ? "own" : "theirs";
    const signed = message ?? (error?.p === undefined ? null : error); // of an unknown kind, but in its place
    const verdict = crypto.followChain(this.chains[side], { n: row.n, hash, p: signed?.p ?? null });
    if (verdict === "duplicate") {
      this.forget(row);
      return null;
    }
    if (row.isOwn) this.noteOwn(row.n, hash);
    const isFork = verdict === "fork" || (signed !== null && this.#isOther(`${side} ${messageId}`, hash));
    const isVerified = signed !== null && !isFork;
    if (isVerified && row.isOwn) this.keepOwn(row.n, hash);
    if (isVerified) this.#forgetEmpty(side, row.n, hash);
    this.#rows.set(row, { side, n: row.n, hash, a: isVerified ? signed.a : null, isVerified });
    if (!isVerified) this.#unsigned.add(row);
    if (isFork) this.raise(`fork ${hash}`, "alarm-fork");
    if (error?.isForged) this.raise(`forged ${messageId}`, row.isOwn ? "alarm-forged-mine" : "alarm-forged");
    const isBad = isFork || (error && error.kind !== "unsupported");
    const failure = isBad ? "not-verified" : error ? "needs-newer" : "";
    const fact = factOf(row, isBad ? null : message, isMarked);
    return { fact: isFork ? { ...fact, isEmpty: false } : fact, failure }; // no reason explains a fork
  }

  // An id is used only once: a second message with it was encrypted again although the first had been stored.
  #isOther(id, hash) {
    if (!this.#ids.has(id)) this.#ids.set(id, hash);
    return this.#ids.get(id) !== hash;
  }

  // Remove rows without a message that claim to be this message at a different place.
  #forgetEmpty(...message) {
    for (const row of this.#unsigned) {
      const { side, n, hash } = this.#rows.get(row);
      if ([side, n, hash].some((value, i) => value !== message[i])) continue;
      this.#rows.delete(row);
      this.#unsigned.delete(row);
      this.forget(row);
    }
  }

  // All rows are judged (`rows` by rising seq, complete up to seq `complete`): show at each what is wrong.
  settle(rows, complete) {
    const judged = rows.filter((row) => this.#rows.has(row));
    const facts = judged.map((row) => this.#rows.get(row));
    const order = crypto.orderVerdicts(facts);
    const tops = { own: 0, theirs: 0 };
    judged.forEach((row, i) => {
      const { side, n, hash, isVerified } = facts[i];
      if (!isVerified) return row.remark("");
      if (order[i] === "fork" || order[i] === "impossible") this.raise(`order ${hash}`, "alarm-disorder");
      const isCrossed = order[i] === "crossed" && !targetOf(row.fact);
      row.remark(this.#noteOn(side, n, tops[side]) || (isCrossed ? "note-crossed" : ""));
      tops[side] = Math.max(tops[side], n);
      if (side === "theirs" && row.seq <= complete && n > this.acknowledged[0]) this.acknowledged = [n, hash];
    });
  }

  // `top`: the highest n of this side before it.
  #noteOn(side, n, top) {
    const isGap = crypto.hasGapBefore(this.chains[side], n);
    if (n < top) return isGap ? "note-both" : "note-late";
    return isGap ? "note-gap" : "";
  }

  isVerified(row) { return this.#rows.get(row)?.isVerified ?? false; }

  // The hash of one's own verified message with this number, or null.
  ownHash(n) {
    const { hash = null, isVerified = false } = this.chains.own.rows.get(n) ?? {};
    return isVerified ? hash : null;
  }

  // The last verified message of each side, or null. changeContact keeps the later of this and the known one.
  get seen() {
    return { own: this.chains.own.last, theirs: this.chains.theirs.last };
  }

  // Messages seen in an earlier session that should be among these rows, but are not: [n, hash, side] each. `hasOlder`:
  // there are older rows, which may include them, unless a verified message below them is here.
  missing(hasOlder) {
    const facts = [...this.#rows.values()];
    return Object.entries(this.chains).filter(([side, chain]) => crypto.isTakenBack(chain) && (!hasOlder
      || facts.some((fact) => fact.side === side && fact.isVerified && fact.n < chain.known[0])))
      .map(([side, { known }]) => [...known, side]);
  }
}
