// What edits, deletions and reactions do to messages, and what a row without content shows (docs/protocol.md, Changes).
// Pure functions over judged rows: nothing here decrypts, stores or sends. Twin of client/changes.py.
//
// A fact is a judged row: {side, id, n, hash, kind, text, reference, e, x, ts, createdAt, isEmpty, replaces, reason}.
// `kind` to `ts` are those of its verified message; `kind` is null if there is none, or if it needs a newer version.
// `isEmpty`: the server hands over no content. `replaces` (or null) and `createdAt` (ms) are the server's claims,
// `reason` is a proven one (provenReason). `side` is the sender's.

import { CHANGES, changesHash, expiresAt, readFile } from "./crypto.js";

const CONTENT = ["text", "file"]; // kinds that show something at their own place
const REMOVED = ["retention", "blocked"];
const LIVING = ["text", "file", "edited"]; // can be answered, reacted to and deleted
const SHOWN_ONCE = ["edit", "delete", "react"]; // shown at the message that they are about, and nowhere else
const DAY = 86400000; // ms
const HOUR = 3600000; // ms
const TIME_OFF = 600000; // ms that clocks may differ

const placeOf = ({ side, n, hash }) => `${side} ${n} ${hash}`; // what no other row has
// True for a change, by its content, or by the server's claim if there is none to read.
const isChange = ({ kind, replaces }) => (kind === null ? replaces !== null : SHOWN_ONCE.includes(kind));

// True if what the server says beside a message (null for none) is what was signed.
export function isDescribed(message, { expires_in, replaces, file }) {
  const { kind, text, x } = message;
  const target = CHANGES.includes(kind) ? targetOf(message)[0] : null;
  return expires_in === x && replaces === target && file === (kind === "file" ? readFile(text).id : null);
}

// The reason why a row has no content, if what this client knows proves it; otherwise "". `isMarked`: the user removed
// it from their own sight (a verified mark, or a kept id), which counts whatever the server says. `seenX`: the signed
// lifetime (s), if the message was seen. `timed`: when the first timer was set in this conversation, or 0. `retention`:
// the days that the host announces, or 0. `blocks`: [from, to or 0] for the times in which this person was blocked. All
// times in ms.
export function provenReason(gone, { isOwn, createdAt, expiresIn, now, ...known }) {
  const { isMarked = false, seenX = 0, timed = 0, retention = 0, blocks = [] } = known;
  if (isMarked) return "hidden";
  if (gone === "expired" && expiresIn && createdAt + expiresIn * 1000 <= now) {
    return seenX === expiresIn || (timed > 0 && createdAt >= timed - TIME_OFF) ? "expired" : "";
  }
  if (gone === "retention" && retention && createdAt + retention * DAY < now) return "retention";
  return gone === "blocked" && !isOwn && isWithin(blocks, createdAt) ? "blocked" : "";
}

// True if one of these times, [from, to or 0], includes this moment. In ms.
export const isWithin = (blocks, moment) => blocks.some(([since, to]) => since <= moment && (!to || moment < to));

// Which changes count, and at which row.
class Changes {
  #claims = new Map(); // side and target → empty rows

  constructor(rows) {
    Object.assign(this, { rows, own: new Map(), reactions: new Map(), at: new Map() });
    rows.forEach((row, i) => this.#index(row, i));
    this.sides = [...new Set(rows.map(({ side }) => side))].sort();
    for (const row of rows) {
      if (row.isEmpty && row.replaces !== null) push(this.#claims, `${row.side} ${row.replaces}`, row);
      for (const side of row.kind === "react" ? this.sides : [row.side]) this.#apply(row, side);
    }
    for (const changes of this.own.values()) changes.sort((one, other) => one.n - other.n);
  }

  // By side, id and hash. A verified row takes precedence over one that only claims them.
  #index(row, i) {
    const key = `${row.side} ${row.id} ${row.hash}`;
    if (!this.at.has(key) || (this.rows[this.at.get(key)].kind === null && row.kind !== null)) this.at.set(key, i);
  }

  find(side, [id, hash]) {
    return this.at.get(`${side} ${id} ${hash}`);
  }

  #apply(change, side) {
    const target = targetOf(change);
    const at = target ? this.find(side, target) : undefined;
    if (at === undefined || isChange(this.rows[at])) return;
    if (change.side === side && change.n <= this.rows[at].n) return;
    if (change.kind !== "react") {
      push(this.own, at, change);
      return;
    }
    if (!this.reactions.has(at)) this.reactions.set(at, new Map());
    const known = this.reactions.get(at);
    if (!known.has(change.side) || known.get(change.side).n < change.n) known.set(change.side, change);
  }

  // Changes of this row by its sender with an n below, by rising n, including what the server only claims.
  earlier(at, below) {
    const { side, id } = this.rows[at];
    return [...this.own.get(at) ?? [], ...this.#claims.get(`${side} ${id}`) ?? []].filter(({ n }) => n < below)
      .sort((one, other) => one.n - other.n);
  }

  // The empty rows that changed this row, too, as a later change of it proves by its `e`.
  async proven(at) {
    const { side, id } = this.rows[at];
    if (!this.#claims.has(`${side} ${id}`)) return [];
    for (const { n, e } of [...this.own.get(at) ?? []].reverse()) {
      const earlier = this.earlier(at, n);
      if (e === await changesHash(earlier.map(({ hash }) => hash))) {
        return earlier.filter(({ isEmpty }) => isEmpty).map(placeOf); // an earlier one can only prove some of these
      }
    }
    return [];
  }

  // The row that a reply answers, of either side.
  answered(reference) {
    const places = this.sides.map((side) => this.find(side, reference));
    return places.find((at) => at !== undefined && !isChange(this.rows[at])) ?? null;
  }
}

function push(lists, key, row) {
  if (!lists.has(key)) lists.set(key, []);
  lists.get(key).push(row);
}

// [id, hash] of the message that a change is about; null for a message that changes nothing.
export function targetOf({ kind, text, reference }) {
  if (kind === "delete") return [text.slice(0, 22), text.slice(23)];
  return kind === "edit" || kind === "react" ? reference : null;
}

// What each row shows at its place, in the order given: {state, text, by, reactions, expires, answers}. Null for a
// change, and for what changes do not decide: a timer, or a message that cannot be shown. `by`: id of the edit or
// deletion. `reactions`: emoji by side. `expires`: when it disappears (ms), or null. `answers`: index of the row that
// it is a reply to, or null. States: "text", "file", "edited", "deleted", "hidden", "expired", "retention", "blocked",
// "withheld" (the server gives no content and no proof why) and "undecided" (the rows that could prove it are not
// loaded). `hasOlder`, `hasNewer`: there are rows before or after these that are not loaded.
export async function shown(rows, { now, hasOlder = false, hasNewer = false }) {
  const changes = new Changes(rows);
  const proven = new Set((await Promise.all([...changes.own.keys()].map((at) => changes.proven(at)))).flat());
  const ids = new Set(rows.map(({ id }) => id));
  return rows.map((row, at) => {
    if (SHOWN_ONCE.includes(row.kind) || (row.isEmpty && proven.has(placeOf(row)))) return null;
    const isOpen = hasNewer || (hasOlder && row.replaces !== null && !ids.has(row.replaces));
    return show(changes, at, now, isOpen ? "undecided" : "withheld");
  });
}

const as = (state, more) => ({ state, text: "", by: "", reactions: {}, expires: null, answers: null, ...more });

function show(changes, at, now, otherwise) {
  const [row, own] = [changes.rows[at], changes.own.get(at) ?? []];
  const deletion = own.find(({ kind }) => kind === "delete");
  const edit = own.findLast(({ kind }) => kind === "edit");
  if (deletion) return as("deleted", { by: deletion.id });
  if (row.reason === "hidden") return as("hidden");
  const content = row.kind === null && edit ? edit : row; // an edit has the lifetime of the text that it replaced
  const expires = expiresAt(content.x, row.createdAt, content.ts);
  if (row.reason === "expired" || (expires !== null && expires <= now)) return as("expired");
  const given = [...changes.reactions.get(at) ?? []].filter(([, { text }]) => text);
  const reactions = Object.fromEntries(given.map(([side, { text }]) => [side, text]));
  const more = { reactions, expires };
  // What the replaced text answered stood in it, and is gone with it.
  if (edit) return as("edited", { text: edit.text, by: edit.id, ...more });
  const answers = row.reference ? changes.answered(row.reference) : null;
  if (CONTENT.includes(row.kind)) return as(row.kind, { text: row.text, answers, ...more });
  if (!row.isEmpty) return null;
  return as(REMOVED.includes(row.reason) ? row.reason : otherwise);
}

// `e` of the next edit or deletion of this message ([id, hash]) by its sender, who has loaded everything from it on. Of
// rows without content only proven ones count, so that a server cannot make the sender sign that another message was an
// edit.
export async function nextE(rows, side, target) {
  const changes = new Changes(rows);
  const at = changes.find(side, target);
  if (at === undefined) return "";
  const proven = new Set(await changes.proven(at));
  const counting = changes.earlier(at, Infinity).filter((row) => !row.isEmpty || proven.has(placeOf(row)));
  return changesHash(counting.map(({ hash }) => hash));
}

// Why the user cannot do this ("reply", "edit", "delete" or "react") to a message, by a name (refused-… in
// parts/words.html); "" if they can. The 24 hours for editing are a rule for writers: readers accept an edit of any age
// and show its time.
export function refusal(kind, target, { isOwn, createdAt, now }) {
  if (target === null) return "no-message";
  if (!LIVING.includes(target.state)) return target.state;
  if (CHANGES.includes(kind) && !isOwn) return "not-yours";
  if (kind === "edit" && target.state === "file") return "no-text";
  return kind === "edit" && now - createdAt > DAY ? "too-late" : "";
}

// Seconds after which texts and files disappear: the last timer message by seq (the order given) counts.
export function timerInForce(rows, isAccepted) {
  const last = rows.findLast(({ kind }) => kind === "timer");
  return last && isAccepted ? Number(last.text) : 0;
}

// True if an unsent message that disappears must not be sent as it is: it was written more than an hour ago. If it was
// never tried, it is sealed again with a new time; otherwise the user decides, as it may have arrived.
export const isStale = (x, ts, now) => x > 0 && now - ts > HOUR;
