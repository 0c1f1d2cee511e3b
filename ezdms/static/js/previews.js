// The newest message of each conversation, for the list: decrypted here, and kept in memory only. The server says which
// one is the newest, and can hold newer ones back. But it is shown only if the right person wrote it in this
// conversation, and if it is not older than the last one of theirs that was seen on this page or before.

import { shown, targetOf } from "./changes.js";
import { isCurrent, lineOf, personOf } from "./conversation-list.js";
import { bringBack } from "./organizing.js";
import * as crypto from "./crypto.js";
import { wordsOf } from "./files.js";
import { swapIn } from "./guard.js";
import { factOf, openRow } from "./judge.js";
import { loadContact } from "./keystore.js";
import { forgetTexts, prove, silence } from "./review.js";
import { getFragment } from "./server.js";
import { account } from "./session.js";
import { later, rollback } from "./vault.js";
import { say, timerInWords } from "./words.js";

const AT_ONCE = 40; // as many as the server hands out
const INSTEAD = ["deleted", "hidden", "expired", "retention", "blocked", "withheld", "undecided"]; // of a text
const LOOK_AGAIN = 1000; // ms
const CONTENT = ["text", "file"]; // kinds that are messages of their own
const OTHER_SIDE = { own: "theirs", theirs: "own" };

const heads = new Map(); // conversation → {own, theirs}: [n, hash] of the last verified message here, or null
const newest = new Map(); // conversation → facts: its newest message that is known here, and the changes of it
const lasts = new Map(); // conversation → what its line shows
const inView = new Set(); // lines
const wanted = new Set(); // lines, in view or not
let observer;
let isFetching = false;

// [n, hash] of the last message of each side that was seen, here or before, unless the user continued without it.
async function seenOf(conversation) {
  const contact = await loadContact(conversation);
  const kept = (side) => (contact?.accepted.includes(rollback(contact[side]?.[1])) ? null : contact?.[side] ?? null);
  const here = heads.get(conversation);
  return { own: later(kept("own"), here?.own), theirs: later(kept("theirs"), here?.theirs) };
}

// True if a message of one side, with the number after `seen`, the last one seen, or a later one, fits to it.
function follows(seen, { n, p }, hash) {
  const [last, lastHash] = seen ?? [0, ""];
  if (n === last) return hash === lastHash;
  return n > last && (n > last + 1 || p === lastHash);
}

// {fact, failure} of a row, as in Judge.
async function judgeAlone(conversation, { ik }, row) {
  const [me, key, side] = [await account, crypto.b64uDecode(ik ?? "", 32), row.isOwn ? "own" : "theirs"];
  const partner = { ik: key, fp: await crypto.fingerprint(key) };
  const { message, error, isMarked } = await openRow(me, partner, conversation, row);
  const isNewer = error?.kind === "unsupported";
  const failed = (failure) => ({ fact: factOf(row, null, isMarked), failure });
  if (error) return failed(isNewer ? "needs-newer" : "not-verified");
  if (!message) return failed("");
  const [seen, link] = [await seenOf(conversation), [message.n, row.dataset.hash]];
  const answered = seen[OTHER_SIDE[side]];
  const isOther = answered?.[0] === message.a[0] && answered[1] !== message.a[1];
  if (isOther || !follows(seen[side], message, link[1])) return failed("not-verified");
  const here = heads.get(conversation) ?? { own: null, theirs: null };
  heads.set(conversation, { ...here, [side]: later(here[side], link) });
  return { fact: factOf(row, message, isMarked), failure: "" };
}

// Whether a change is about this message.
const isAbout = (change, { id, hash }) => targetOf(change)?.join() === [id, hash].join();

// What the list says of a message: {text, why, isOwn, expires}. `why`: why there is no text.
function describe({ side, kind, text, x, createdAt, ts, isCleared }, view, failure) {
  const isOwn = side === "own";
  if (isCleared) return { text: "", why: "" }; // the user deleted the conversation
  const [instead, act] = [(words) => ({ text: words, why: "gone" }), (words) => ({ text: words, why: "act", isOwn })];
  if (view && INSTEAD.includes(view.state)) return instead(say(`last-${view.state}`));
  if (failure) return { text: `⚠ ${say(failure)}`, why: "failed" };
  if (view) return { text: wordsOf(view), isOwn, expires: view.expires };
  if (kind === "timer") return act(say("unsent-timer", { time: timerInWords(text) }));
  if (kind === "react") return act(text ? say("last-reacted", { emoji: text }) : say("last-unreacted"));
  if (kind === "delete") return instead(say("last-deleted"));
  return { ...act(say("last-edited", { text })), expires: crypto.expiresAt(x, createdAt, ts) };
}

// Show it in the line. `at`: the server's time, as in the thread, unless the signed one differs.
function showIn(conversation, seq, { fact, view, failure }, isJudged) {
  const said = describe(fact, view, failure);
  const { createdAt, kind, ts } = fact;
  const at = kind !== null && crypto.isTimeOff(ts, createdAt) ? ts : createdAt;
  const last = lasts.get(conversation);
  if (!isJudged && seq < (last?.seq ?? 0)) return;
  lasts.set(conversation, { ...said, seq, at });
  lineOf(conversation)?.showNewest(lasts.get(conversation));
}

// The open conversation has judged its rows, and `seen` are the last verified ones.
export function noteNewest(conversation, rows, seen) {
  heads.set(conversation, seen);
  const last = rows.at(-1);
  const row = last?.fact.kind === "react" ? last : rows.findLast(({ shown, text }) => shown || text) ?? last;
  if (!row) return;
  const text = rows.findLast(({ fact, isOwn }) => !isOwn && CONTENT.includes(fact.kind));
  if (text) bringBack(conversation, text.fact.n, false).catch(() => {});
  newest.set(conversation, [row, ...rows.filter(({ fact }) => isAbout(fact, row.fact))].map(({ fact }) => fact));
  showIn(conversation, last.seq, { fact: row.fact, view: row.shown, failure: row.failure }, true);
}

// What the list shows after this row has arrived.
async function judgeNewest(conversation, person, row) {
  const { fact, failure } = await judgeAlone(conversation, person, row)
    .catch(() => ({ fact: factOf(row, null, false), failure: "not-verified" }));
  const before = (newest.get(conversation) ?? []).filter(({ hash }) => hash !== fact.hash);
  const [contact, now] = [await loadContact(conversation), Date.now()];
  const facts = silence([...before, fact], contact);
  if (fact.side === "theirs" && fact.kind !== null && !failure) {
    bringBack(conversation, fact.n, !CONTENT.includes(fact.kind)).catch(() => {});
  }
  prove(facts, contact, now);
  const views = await shown(facts, { now, hasOlder: true });
  forgetTexts(facts, views, now);
  const target = before.findIndex((each) => isAbout(fact, each));
  const isKnown = target >= 0 && fact.kind !== "react";
  newest.set(conversation, target >= 0 ? facts : [fact]);
  return isKnown ? { fact: facts[target], view: views[target], failure: "" } : { fact, view: views.at(-1), failure };
}

// The user deleted the conversation.
export function forgetPreview(conversation) {
  newest.delete(conversation);
  lasts.delete(conversation);
}

// Remove what has disappeared.
function removeOld() {
  for (const [conversation, { expires, seq, at }] of lasts) {
    if (!expires || expires > Date.now()) continue;
    newest.delete(conversation);
    lasts.set(conversation, { text: say("last-expired"), why: "gone", seq, at });
    lineOf(conversation)?.showNewest(lasts.get(conversation));
  }
}
setInterval(removeOld, LOOK_AGAIN);
document.addEventListener("visibilitychange", removeOld);

// Judge the row that a line has received, once it is known whose line it is.
export async function judgeLine(line) {
  const [row, person] = [line.row, personOf(line.conversation)];
  if (!row || !person) return;
  line.row = null;
  showIn(line.conversation, Number(row.dataset.seq), await judgeNewest(line.conversation, person, row));
}

// Fetch what the lines in view lack.
export async function fetchPreviews() {
  if (isFetching) return;
  isFetching = true;
  for (;;) {
    const lacks = (line) => line.lacksNewest && !isCurrent(line.conversation);
    const lines = [...new Set([...inView, ...wanted])].filter(lacks).slice(0, AT_ONCE);
    if (!lines.length) break;
    for (const line of lines) line.asked = line.dataset.lastSeq;
    const conversations = lines.map(({ conversation }) => conversation);
    try {
      const list = document.getElementById("conversations"); // also for those in the archive
      await swapIn(await getFragment(`/previews?of=${conversations}`), list, "afterbegin");
    } catch {
      for (const line of lines) line.asked = null; // asked again with the next frame or connection
      break;
    }
  }
  isFetching = false;
}

// Have it fetched although the line is not in view.
export function wantPreview(line) {
  wanted.add(line);
  fetchPreviews();
}

// Have it fetched when the line comes into view, unless it is known.
export function watchLine(line) {
  const last = lasts.get(line.conversation);
  if (last) line.showNewest(last);
  observer ??= new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) inView[isIntersecting ? "add" : "delete"](target);
    fetchPreviews();
  }, { root: line.closest(".sidebar"), rootMargin: "200px 0px" });
  observer.observe(line);
}

customElements.define("message-preview", class extends HTMLElement {
  connectedCallback() {
    this.remove();
    this.isOwn = this.hasAttribute("data-own");
    const line = lineOf(this.dataset.conversationId);
    if (line?.dataset.lastSeq !== this.dataset.seq) return; // outdated
    line.asked = this.dataset.seq;
    line.row = this;
    judgeLine(line);
  }
});
