// Judges the messages of one conversation (docs/protocol.md, Receiving): opens each row, follows both chains, and
// weighs the order of the two sides. Nothing that is not signed moves anything here. Twin of client/receiving.py.

import * as crypto from "./crypto.js";

const AHEAD = 1000; // no server takes a message whose number is further above the last one
const NOT_VERIFIED = "Cannot be verified";
const NEWER = "Needs a newer version of EZ-DMS";
const NOTES = {
  gap: "⚠ Messages are missing before this one.",
  late: "⚠ Out of order: this was written before the ones above.",
  both: "⚠ Out of order, and messages are missing before this one.",
  crossed: "Written before seeing the message above.",
};

export const FORK = "This conversation was tampered with: a message does not follow the ones before it.";
export const FORGED = "A message has a forged signature: someone tried to write in this person’s name.";
export const FORGED_MINE = "A message has a forged signature: someone tried to write in your name.";
export const DISORDER = "These messages cannot have been written in this order: one answers what is shown after it, or "
  + "knows another message than the one that is here. Either the server changed something, or one of the two of you "
  + "signed what is not true.";

export class Judge {
  #rows = new Map(); // row → {side, n, hash, a, isVerified} of those that were judged
  #ids = new Map(); // side and message_id of what was verified → its hash
  #hasLetGo = false;
  #shown = new Set(); // ids of one's own messages that the server shows, or shows to be gone
  #own; // [n, hash] of the highest message of one's own that is verified, remembered or was sent, or null
  #claimed = new Map(); // n → hash of one's own, as the server says

  // `known`: {own, theirs}, [n, hash] or null, that were the last ones on another day. `raise(name, sentence)` alarms,
  // `forget(row)` takes a row away that another one stands for.
  constructor({ me, partner, conversation, known, raise, forget }) {
    Object.assign(this, { me, partner, conversation, raise, forget });
    this.chains = { own: crypto.newChain(known.own), theirs: crypto.newChain(known.theirs) };
    this.#own = known.own;
    this.acknowledged = known.theirs ?? [0, ""];
  }

  // The server says that one's own message of this number exists.
  noteOwn(n, hash) {
    if (!this.#claimed.has(n)) this.#claimed.set(n, hash);
  }

  // It does: it was verified, or sent from here.
  keepOwn(n, hash) {
    if (n > (this.#own?.[0] ?? 0)) this.#own = [n, hash];
  }

  // What nobody verified is followed no further than this: or one number would take all those up to it from one.
  get #reach() {
    return (this.#own?.[0] ?? 0) + AHEAD;
  }

  // [n, p] of one's own next message.
  get next() {
    return crypto.nextLink(this.#own, [...this.#claimed].filter(([n]) => n < this.#reach));
  }

  // The server says that one has written more than can be followed from here.
  get isBehind() {
    return [...this.#claimed.keys()].some((n) => n >= this.#reach);
  }

  // The person went on though no row is the one that was known. If it is one's own, and so far ahead that no server
  // takes what follows it, the next one follows what is shown: true. Else what others may have seen keeps its number.
  letGo(hash) {
    const { known, last } = this.chains.own;
    if (known?.[1] !== hash || known[0] - (last?.[0] ?? 0) < AHEAD) return false;
    this.chains.own.known = null;
    this.#own = last;
    this.#hasLetGo = true;
    return true;
  }

  // One's next message has another number than this one by now: a later one, or an earlier one after letting go.
  isPast(n) {
    const [next] = this.next;
    return next > n || (next < n && this.#hasLetGo);
  }

  // Open a row's copy: what is in it, or why it is not shown. Opened side by side, judged in turn (below).
  async open({ isOwn, dataset: { messageId: message_id, hash, n, suite, sealed } }) {
    if (sealed === undefined) return { isGone: true };
    const [sender, recipient] = isOwn ? [this.me, this.partner] : [this.partner, this.me];
    const claimed = { message_id, hash, n: Number(n), suite: Number(suite), encrypted: sealed };
    try {
      const message = await crypto.openMessage(this.me, sender, recipient.fp, this.conversation, claimed);
      if (message.x) throw new Error("The server is to say when this message expires, and does not.");
      return { message };
    } catch (error) {
      return { error };
    }
  }

  // True if the server shows this message of one's own, or that it is gone.
  shows(id) {
    return this.#shown.has(id);
  }

  // What to show in a row; null for a message that is shown already.
  judge(row, opened) {
    const result = this.#place(row, opened);
    if (result && !result.failure && row.isOwn) this.#shown.add(row.dataset.messageId);
    return result;
  }

  #place(row, { message, error, isGone }) {
    const { hash, messageId } = row.dataset;
    const side = row.isOwn ? "own" : "theirs";
    const signed = message ?? (error?.p === undefined ? null : error); // of an unknown kind: in its place all the same
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
    if (isFork) this.raise(`fork ${hash}`, FORK);
    if (error?.isForged) this.raise(`forged ${messageId}`, row.isOwn ? FORGED_MINE : FORGED);
    if (isFork || (error && error.kind !== "unsupported")) return { failure: NOT_VERIFIED };
    if (isGone) return { isGone };
    return message?.kind === "text" ? { message } : { failure: NEWER };
  }

  // A message has its id once: another one under the same id was sealed anew, though the first had been stored.
  #isOther(id, hash) {
    if (!this.#ids.has(id)) this.#ids.set(id, hash);
    return this.#ids.get(id) !== hash;
  }

  // A row without a message must not stand for this one at another place than its own.
  #forgetEmpty(...message) {
    for (const [row, { side, n, hash, isVerified }] of this.#rows) {
      if (isVerified || [side, n, hash].some((value, i) => value !== message[i])) continue;
      this.#rows.delete(row);
      this.forget(row);
    }
  }

  // All rows that came are judged (`rows` by rising seq, whole up to seq `complete`): say in place what is amiss.
  settle(rows, complete) {
    const judged = rows.filter((row) => this.#rows.has(row));
    const facts = judged.map((row) => this.#rows.get(row));
    const order = crypto.orderVerdicts(facts);
    const tops = { own: 0, theirs: 0 };
    judged.forEach((row, i) => {
      const { side, n, hash, isVerified } = facts[i];
      if (!isVerified) return row.remark("");
      if (order[i] === "fork" || order[i] === "impossible") this.raise(`order ${hash}`, DISORDER);
      row.remark(this.#noteOn(side, n, tops[side]) || (order[i] === "crossed" ? NOTES.crossed : ""));
      tops[side] = Math.max(tops[side], n);
      if (side === "theirs" && row.seq <= complete && n > this.acknowledged[0]) this.acknowledged = [n, hash];
    });
  }

  // `top`: the highest n of this side that stands before it.
  #noteOn(side, n, top) {
    const isGap = crypto.hasGapBefore(this.chains[side], n);
    if (n < top) return isGap ? NOTES.both : NOTES.late;
    return isGap ? NOTES.gap : "";
  }

  // The last verified message of each side, or null. Of it and what was known, changeContact keeps the later one.
  get seen() {
    return { own: this.chains.own.last, theirs: this.chains.theirs.last };
  }

  // What was seen on another day and should be among these rows, and is not: [n, hash] each. `hasOlder`: there are rows
  // before the first one; then it may be among them, unless a verified message below it is here.
  missing(hasOlder) {
    const facts = [...this.#rows.values()];
    return Object.entries(this.chains).filter(([side, chain]) => crypto.isTakenBack(chain) && (!hasOlder
      || facts.some((fact) => fact.side === side && fact.isVerified && fact.n < chain.known[0])))
      .map(([, { known }]) => known);
  }
}
