// The newest message of each conversation, for the list: decrypted here, and kept in memory only. The server says which
// one is the newest, and can hold newer ones back. But it is shown only if the right person wrote it in this
// conversation, and if it is not older than the last one of theirs that was seen on this page or before.

import * as crypto from "./crypto.js";
import { isCurrent, lineOf, personOf } from "./conversation-list.js";
import { swapIn } from "./guard.js";
import { NEWER, NOT_VERIFIED, openRow } from "./judge.js";
import { loadContact } from "./keystore.js";
import { getFragment } from "./server.js";
import { account } from "./session.js";
import { later, rollback } from "./vault.js";

const AT_ONCE = 40; // as many as the server hands out
const GONE = "This message is gone.";
const OTHER_SIDE = { own: "theirs", theirs: "own" };

const heads = new Map(); // conversation → {own, theirs}: [n, hash] of the last verified message here, or null
const inView = new Set(); // lines
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

// What to show of a row, as in Judge.
async function judgeAlone(conversation, { ik }, row) {
  if (!ik) return { failure: NOT_VERIFIED };
  const [me, key, side] = [await account, crypto.b64uDecode(ik, 32), row.isOwn ? "own" : "theirs"];
  const partner = { ik: key, fp: await crypto.fingerprint(key) };
  const { message, error, isGone } = await openRow(me, partner, conversation, row);
  if (isGone) return { isGone };
  if (error) return { failure: error.kind === "unsupported" ? NEWER : NOT_VERIFIED };
  const [seen, link] = [await seenOf(conversation), [message.n, row.dataset.hash]];
  const answered = seen[OTHER_SIDE[side]];
  const isOther = answered?.[0] === message.a[0] && answered[1] !== message.a[1];
  if (isOther || !follows(seen[side], message, link[1])) return { failure: NOT_VERIFIED };
  const here = heads.get(conversation) ?? { own: null, theirs: null };
  heads.set(conversation, { ...here, [side]: later(here[side], link) });
  return message.kind === "text" ? { message } : { failure: NEWER };
}

// For a line. `at`: the server's time, as in the thread, unless the signed one differs. `why`: why there is no text.
function preview({ isOwn, dataset }, { message, failure, isGone }) {
  const [seq, at] = [Number(dataset.seq), Number(dataset.at)];
  if (!message) return { seq, at, text: isGone ? GONE : `⚠ ${failure}`, why: isGone ? "gone" : "failed" };
  return { seq, at: crypto.isTimeOff(message.ts, at) ? message.ts : at, text: message.text, isOwn };
}

// The open conversation has judged its rows: this one is the newest, and `seen` are the last verified ones.
export function noteNewest(conversation, row, seen) {
  heads.set(conversation, seen);
  if (row) lineOf(conversation)?.showNewest(preview(row, row.result), true);
}

// Judge the row that a line has received, once it is known whose line it is.
export async function judgeLine(line) {
  const [row, person] = [line.row, personOf(line.conversation)];
  if (!row || !person) return;
  line.row = null;
  const result = await judgeAlone(line.conversation, person, row).catch(() => ({ failure: NOT_VERIFIED }));
  line.showNewest(preview(row, result));
}

// Fetch what the lines in view lack.
export async function fetchPreviews() {
  if (isFetching) return;
  isFetching = true;
  for (;;) {
    const lines = [...inView].filter((line) => line.lacksNewest && !isCurrent(line.conversation)).slice(0, AT_ONCE);
    if (!lines.length) break;
    for (const line of lines) line.asked = line.dataset.lastSeq;
    const conversations = lines.map(({ conversation }) => conversation);
    try {
      await swapIn(await getFragment(`/previews?of=${conversations}`), lines[0].parentElement, "afterbegin");
    } catch {
      for (const line of lines) line.asked = null; // asked again with the next frame or connection
      break;
    }
  }
  isFetching = false;
}

// Have it fetched when the line comes into view.
export function watchLine(line) {
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
