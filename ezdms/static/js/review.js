// What the rows of a conversation show together (changes.js): which changes count, and why rows have no content. What
// was deleted, edited away or has disappeared is removed from memory, too.

import { dropOriginals, keepOriginals } from "./catch-up.js";
import { isWithin, provenReason, shown, targetOf, timerInForce } from "./changes.js";
import { expiresAt } from "./crypto.js";
import { wordsOf } from "./files.js";
import { onceMore } from "./server.js";
import { mergeRemembered, readBlocks, readHidden, stateOf, wasCleared } from "./remembered.js";
import { HOST } from "./shell.js";
import { inWords, maySay, retention, say } from "./words.js";

const TICK = 1000; // ms
const TIMED = ["text", "file"]; // what a timer is for
const LIVING = ["text", "edited", "file"];
const GONE = ["deleted", "hidden", "expired"]; // their texts are kept nowhere
const COUNTED = ["expired", "retention", "blocked"]; // said once for all in a row
const IN_QUOTES = ["hidden", "withheld", "undecided", "deleted", "expired", "retention"];

const goneOf = (state) => (IN_QUOTES.includes(state) ? say(`quote-${state}`) : undefined);
const seenX = new Map(); // hash → x of the messages with a lifetime that were verified on this page
const reviews = new Set(); // those of conversations in which something will change by itself

function tick() {
  const now = Date.now(); // goes on while the device sleeps
  for (const review of reviews) review.tick(now);
}
setInterval(tick, TICK);
document.addEventListener("visibilitychange", tick);

// Set the proven reasons why rows have no content, and which ones the user deleted with the conversation: those show
// nothing, whatever the server still hands over. `contact`: what the user's devices know (contact.js), if anything.
// Returns when the first timer was set, as far as known, or 0.
export function prove(facts, contact, now) {
  const timers = facts.filter(({ kind, text }) => kind === "timer" && text !== "0").map(({ createdAt }) => createdAt);
  const { timed: first } = mergeRemembered({ timed: contact?.timed }, { timed: Math.min(...timers) });
  const [timed, hidden] = [first ?? 0, new Set(readHidden(contact?.hidden))];
  const general = { now, timed, retention: HOST.retention, blocks: readBlocks(contact?.blocks) };
  for (const fact of facts) {
    const { side, id, n, hash, gone, createdAt, expiresIn, kind, x } = fact;
    if (kind !== null && x) seenX.set(hash, x);
    const own = { isOwn: side === "own", createdAt, expiresIn, seenX: seenX.get(hash) ?? 0 };
    fact.isCleared = wasCleared(contact?.cleared, side === "own", n);
    const isMarked = fact.isMarked || fact.isCleared || hidden.has(id);
    fact.reason = provenReason(gone, { ...general, ...own, isMarked }) || (fact.isOver ? "expired" : "");
  }
  return timed;
}

// What a person sent while they were blocked counts as empty, whatever the server hands over.
export function silence(facts, contact) {
  const blocks = readBlocks(contact?.blocks);
  const nothing = { kind: null, text: "", reference: null, e: null, x: 0, ts: 0, jws: null };
  const bare = { ...nothing, isEmpty: true, gone: "blocked" };
  const isSilent = ({ side, isEmpty, createdAt }) => side === "theirs" && !isEmpty && isWithin(blocks, createdAt);
  return facts.map((fact) => (isSilent(fact) ? { ...fact, ...bare } : fact));
}

// What a row shows that changes do not decide.
function otherState({ failure, fact: { kind } }) {
  if (failure) return "failed";
  return kind === "timer" ? kind : "nothing"; // a change
}

// How many rows each one speaks for: of those that show the same in succession, the last one counts all.
function countRuns(states) {
  const counts = states.map((state) => (state === "nothing" ? 0 : 1));
  let before = -1; // the last one that shows something
  states.forEach((state, i) => {
    if (state === "nothing") return;
    if (COUNTED.includes(state) && state === states[before]) {
      counts[i] += counts[before];
      counts[before] = 0;
    }
    before = i;
  });
  return counts;
}

// The words that a row shows instead of a text. `name`: the other person's.
function wordsFor(state, count, { isOwn, fact: { text }, failure }, name) {
  const who = isOwn ? "own" : "theirs";
  if (state === "failed") return say(failure);
  if (state === "deleted") return say(`row-deleted-${who}`, { name });
  if (state === "timer" && text === "0") return say(`row-timer-off-${who}`, { name });
  if (state === "timer") return say(`row-timer-${who}`, { name, time: inWords(Number(text)) });
  if (COUNTED.includes(state)) return say(`row-${state}`, { count: Math.max(1, count) });
  return maySay(`row-${state}`) ?? "";
}

// Forget the texts of what is gone, and those that edits replaced, also of messages that are not among these facts.
export function forgetTexts(facts, views, now) {
  const about = new Map(); // id and hash of a message → the id of the edit that it shows, or ""
  const last = new Map(); // side, id and hash → the n of that side's last edit or deletion of it
  const of = (fact) => `${fact.side} ${targetOf(fact).join(" ")}`;
  facts.forEach((fact, i) => {
    const { state, by } = views[i] ?? {};
    if (state !== "edited" && !GONE.includes(state)) return;
    about.set(`${fact.id} ${fact.hash}`, state === "edited" ? by : "");
    fact.text = "";
    fact.isOver ||= state === "expired"; // whatever the clock says later
  });
  const own = facts.filter(({ kind }) => kind === "edit" || kind === "delete");
  for (const fact of own) last.set(of(fact), Math.max(fact.n, last.get(of(fact)) ?? 0));
  for (const fact of facts) {
    if (fact.kind !== "edit" && fact.kind !== "react") continue;
    const edit = about.get(fact.reference.join(" "));
    const isNewest = () => last.get(of(fact)) === fact.n && (edit ?? fact.id) === fact.id;
    const isReplaced = fact.kind === "edit" ? !isNewest() : edit === "";
    const isOver = fact.x && expiresAt(fact.x, fact.createdAt, fact.ts) <= now; // what it is about went before
    if (isReplaced || isOver) fact.text = "";
  }
}

// When this row may show something else by itself (ms).
function nextChange({ gone, createdAt, expiresIn, kind, x, ts, text }, view, now) {
  if (view?.expires) return view.expires;
  if (kind !== null && x && text) return expiresAt(x, createdAt, ts); // a change
  const end = createdAt + 1000 * expiresIn;
  return gone === "expired" && end > now ? end : Infinity; // this clock is behind the server's
}

export class Review {
  #due = Infinity; // when something may change by itself (ms)
  #timed = 0; // created_at of the first timer here, as far as known, or 0
  isOpen = false; // rows that are not loaded could decide what some show
  facts = []; // of the rows that were judged, by seq

  constructor(thread) {
    this.thread = thread;
    const said = thread.querySelector(".retention");
    said.textContent = retention();
    said.hidden = !HOST.retention;
  }

  // Recompute what all rows show, and draw those that changed.
  run = onceMore(() => this.#review());

  // This conversation is removed from the page.
  end() {
    reviews.delete(this);
    dropOriginals(this.thread.conversation, ({ x }) => x); // nothing here removes them any more
  }

  tick(now) {
    if (now >= this.#due) this.run();
    for (const row of this.rows) if (row.shown?.expires) row.countDown(row.shown.expires - now);
  }

  get rows() { return [...this.thread.rows.children].filter(({ fact }) => fact); }

  // Preferably one that was verified.
  rowAbout([id, hash] = []) {
    const found = this.rows.filter(({ fact }) => fact.id === id && fact.hash === hash);
    return found.find(({ fact }) => fact.kind !== null) ?? found[0];
  }

  // What the vault must remember: when the first timer was set.
  remembered(known) { return this.#timed ? mergeRemembered(known ?? {}, { timed: this.#timed }) : {}; }

  get #hasTimer() { return this.facts.some(({ kind }) => kind === "timer"); }
  #newest(isOne = () => true) { return this.facts.findLast((fact) => TIMED.includes(fact.kind) && isOne(fact)); }
  get #own() { return this.#newest(({ side }) => side === "own"); }

  // Seconds after which texts and files disappear now. If the last timer message is not loaded, the user's own newest
  // text tells: it was sealed under it. The other person's texts could say anything.
  get timer() {
    const { contact: { known }, judge } = this.thread;
    if (stateOf(known && { ...known, own: known.own ?? judge?.seen.own }) !== "accepted") return 0;
    if (this.#hasTimer || !this.#timed) return timerInForce(this.facts, true);
    return (this.#own ?? this.#newest())?.x ?? 0;
  }

  // What is loaded tells which timer is in force. Otherwise older pages do.
  get knowsTimer() { return !this.#timed || this.#hasTimer || this.#own !== undefined; }

  async #review() {
    const [{ thread }, rows, now] = [this, this.rows, Date.now()];
    const facts = silence(rows.map(({ fact }) => fact), thread.contact.known);
    this.#timed = prove(facts, thread.contact.known, now);
    rows.forEach(({ fact }, i) => { fact.isCleared = facts[i].isCleared; });
    const { hasOlder, hasNewer } = thread.loaded;
    const views = await shown(facts, { now, hasOlder, hasNewer });
    keepOriginals(thread.conversation, facts, views);
    forgetTexts(facts, views, now);
    rows.forEach((row, i) => { row.shown = views[i]; });
    this.facts = facts;
    this.#draw(rows, views);
    this.#due = Math.min(...facts.map((fact, i) => nextChange(fact, views[i], now)));
    reviews[this.#due === Infinity ? "delete" : "add"](this);
  }

  #draw(rows, views) {
    const { thread } = this;
    const stateIn = (view, row) => (row.fact.isCleared ? "nothing" : view?.state ?? otherState(row));
    const states = views.map((view, i) => stateIn(view, rows[i]));
    const counts = countRuns(states);
    const isRequest = thread.contact.state === "request";
    const edits = new Map(this.facts.filter(({ kind }) => kind === "edit").map((fact) => [fact.id, fact]));
    rows.forEach((row, i) => {
      const [view, { fact }] = [views[i], row];
      const state = counts[i] ? states[i] : "nothing";
      const what = { state, sentence: wordsFor(state, counts[i], row, thread.partnerName), by: thread.partnerName };
      if (LIVING.includes(state)) {
        what.isPlain = isRequest;
        const editedAt = state === "edited" ? edits.get(view.by)?.ts : null;
        const reactions = isRequest ? {} : view.reactions;
        Object.assign(what, { text: view.text, editedAt, reactions, expires: view.expires });
        if (fact.reference && state !== "edited") what.quote = this.#quote(rows[view.answers], fact.reference);
      }
      if (row.draw(what)) thread.hasDrawn(row);
    });
    this.isOpen = states.includes("undecided");
    this.#tellWithheld(states.filter((state) => state === "withheld").length);
    thread.between.arrange();
    thread.log.count();
  }

  // Say once how many messages the server holds back.
  #tellWithheld(count) {
    const told = this.thread.querySelector(".withheld");
    const sentence = count ? say("withheld", { count }) : "";
    if (told.textContent !== sentence) told.textContent = sentence;
    told.hidden = !count;
  }

  // What a reply shows of the message that it answers.
  #quote(row, reference) {
    const { shown: view, fact } = row ?? {};
    const missing = () => say(this.thread.loaded.hasOlder ? "quote-undecided" : "not-here");
    if (!row) return { words: missing(), isGone: true, reference };
    const isHere = LIVING.includes(view?.state);
    const by = fact.side === "own" ? say("you") : this.thread.partnerName;
    return { by, words: isHere ? wordsOf(view) : goneOf(view?.state) ?? say(row.failure), isGone: !isHere, reference };
  }
}
