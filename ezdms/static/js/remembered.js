// What the vault remembers beside a contact's key: preferences, requests, blocks, timers, receipts, marks; and which
// builds of the page the user's devices were served: how two browsers of one user merge it (docs/protocol.md, Vault).
// Malformed values are left out. Twin of client/remembered.py and client/served.py.

import { isInteger } from "./crypto.js";

const MOST_BLOCKS = 20; // times in which a person was blocked, the latest
const MOST_HIDDEN = 200; // ids of messages that the user removed from their own sight, the latest
const LATEST = 253402300799999; // ms: the end of the year 9999
const ID = /^[A-Za-z0-9_-]{22}$/;
const PRINTABLE = /^(?:[^\p{C}\p{Z}]| )*$/u;
const RECEIPTS = ["delivered", "read"];

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const list = (value) => (Array.isArray(value) ? value : []);
const bytesOf = (value) => new TextEncoder().encode(JSON.stringify(value));

function isHigher(one, other) {
  if (one.at !== other.at) return one.at > other.at;
  const [a, b] = [bytesOf(one), bytesOf(other)];
  const i = a.findIndex((byte, at) => byte !== b[at]); // where `b` has ended, `a` is higher
  return i >= 0 && !(a[i] < b[i]);
}

// The one with the higher `at` (ms), as a whole; of equal ones the one whose JSON is higher by bytes. Null for neither.
export function latest(mine, theirs) {
  const found = [mine, theirs].filter((one) => isObject(one) && isInteger(one.at, 0, LATEST));
  return found.length === 2 && isHigher(found[1], found[0]) ? found[1] : found[0] ?? null;
}

// `at` of a change made now: later than the known one, even if this clock is behind.
export const nextAt = (known, now) => (isInteger(known?.at, 0, LATEST - 1) ? Math.max(now, known.at + 1) : now);

// The members described here of two versions of a contact, merged; only those that one of them has.
export function mergeRemembered(mine, theirs) {
  const merged = Object.entries(MERGED).map(([name, merge]) => [name, merge(mine[name], theirs[name])]);
  return Object.fromEntries(merged.filter(([, value]) => value !== null));
}

// The union. A block that one browser knows to have ended has ended, the later end counts.
function mergeBlocks(mine, theirs) {
  const blocks = new Map();
  for (const [since, to] of [...readBlocks(mine), ...readBlocks(theirs)]) {
    blocks.set(since, Math.max(to, blocks.get(since) ?? 0));
  }
  const union = [...blocks].sort(([one], [other]) => one - other).slice(-MOST_BLOCKS);
  return union.length ? union : null;
}

// The times in which a person was blocked: [from, to or 0], ms.
export const readBlocks = (blocks) => list(blocks).filter((one) => Array.isArray(one) && one.length === 2
  && isInteger(one[0], 1, LATEST) && (one[1] === 0 || isInteger(one[1], one[0] + 1, LATEST)));

// The times, with a block that begins now unless one is open.
export function blockedFrom(blocks, now) {
  const known = readBlocks(blocks);
  return known.some(([, to]) => !to) ? known : [...known, [now, 0]].slice(-MOST_BLOCKS);
}

// The times, with every open block ending now.
export const blockedUntil = (blocks, now) =>
  readBlocks(blocks).map(([since, to]) => [since, to || Math.max(now, since + 1)]);

function mergeTimed(mine, theirs) {
  const found = [mine, theirs].filter((one) => isInteger(one, 1, LATEST));
  return found.length ? Math.min(...found) : null;
}

function mergeTold(mine, theirs) {
  const [one, other] = [readTold(mine), readTold(theirs)];
  const told = Object.fromEntries(RECEIPTS.map((name) => [name, Math.max(one[name], other[name])]));
  return told.delivered || told.read ? told : null;
}

// The highest n that each kind of receipt said.
export const readTold = (told) =>
  Object.fromEntries(RECEIPTS.map((name) => [name, isObject(told) && isInteger(told[name], 0) ? told[name] : 0]));

// The latest ids. Those that are not in `theirs`, the stored vault, are newer.
function mergeHidden(mine, theirs) {
  const ids = [...new Set([...readHidden(theirs), ...readHidden(mine)])].slice(-MOST_HIDDEN);
  return ids.length ? ids : null;
}

// The ids of messages that the user removed from their own sight.
export const readHidden = (hidden) => list(hidden).filter((one) => typeof one === "string" && ID.test(one));

const isPair = (value) => list(value).length === 2 && value.every((n) => isInteger(n, 0));
const mergeCleared = (mine, theirs) => (isPair(mine) || isPair(theirs)
  ? readCleared(mine).map((n, i) => Math.max(n, readCleared(theirs)[i])) : null);

// [own n, their n] of the highest rows when the user deleted the conversation. Those up to here are not shown.
export const readCleared = (cleared) => (isPair(cleared) ? cleared : [0, 0]);

// True for a row with this number that was there when the user deleted the conversation.
export const wasCleared = (cleared, isOwn, n) => n <= readCleared(cleared)[isOwn ? 0 : 1];

// True if the user deleted the conversation, and nothing that was verified came later.
export const isDeleted = ({ cleared, own, theirs }) => isPair(cleared)
  && [own, theirs].every((head, i) => (head?.[0] ?? 0) <= cleared[i]);

const MERGED = {
  prefs: latest,
  met: latest,
  blocks: mergeBlocks,
  timed: mergeTimed,
  told: mergeTold,
  hidden: mergeHidden,
  cleared: mergeCleared,
};

// The user's own preferences; `mutedUntil`: ms. Malformed ones are left out.
export function preferences({ prefs }) {
  const { nick, muted, pinned, archived, unread } = latest(prefs, null) ?? {};
  return {
    nick: typeof nick === "string" && PRINTABLE.test(nick) ? nick : "",
    mutedUntil: isInteger(muted, 0, LATEST) ? muted : 0,
    isPinned: pinned === true, isArchived: archived === true, isUnread: unread === true,
  };
}

// True if the user accepted the conversation. Without `met`: if they wrote in it.
export function isAccepted({ met, own }) {
  const known = latest(met, null);
  return known ? known.accepted === true : Boolean(own);
}

// True if the user blocks this person now.
export const isBlocked = ({ met }) => latest(met, null)?.blocked === true;

// What the user made of a contact: "request", "accepted" or "blocked". Whoever is not in the vault (undefined) is a
// request. Older versions did not note that the user started a conversation, but that they verified the contact.
export function stateOf(contact) {
  if (!contact || isBlocked(contact)) return contact ? "blocked" : "request";
  const isOld = latest(contact.met, null) === null && Boolean(contact.verified);
  return isOld || isAccepted(contact) ? "accepted" : "request";
}

// `met` of a contact, with this changed now: {accepted} or {blocked}.
export function meet(contact, changed, now) {
  const met = latest(contact.met, null) ?? { accepted: stateOf(contact) === "accepted", blocked: false };
  return { ...met, ...changed, at: nextAt(met, now) };
}

const HOUR = 3600000;
const DAY = 24 * HOUR; // a known build is recorded again only after this time
const RECENT = 30 * DAY; // older builds are not compared
const MOST = 8; // builds kept
const VERSION = /^\d{1,5}(\.\d{1,5}){1,3}(-?(a|b|alpha|beta|rc)\.?\d{0,5})?(\.post\d{1,5})?(\.dev\d{1,5})?$/;
const DIGEST = /^[A-Za-z0-9_-]{43}$/;

const isTime = (value, least) => Number.isSafeInteger(value) && value >= least && value <= LATEST;
const isBuild = (one) => typeof one?.version === "string" && VERSION.test(one.version)
  && typeof one.digest === "string" && DIGEST.test(one.digest) && isTime(one.first, 1) && isTime(one.last, one.first);
const read = (value) => (Array.isArray(value) ? value : []).filter(isBuild)
  .map(({ version, digest, first, last }) => ({ version, digest, first, last }));
const keyOf = ({ version, digest }) => `${version} ${digest}`;
const byKey = (one, other) => (keyOf(one) < keyOf(other) ? -1 : 1);

// Merge the builds two browsers know, latest first. Malformed ones are left out.
export function mergeServed(mine, theirs) {
  const builds = new Map();
  for (const one of [...read(mine), ...read(theirs)]) {
    const { first, last } = builds.get(keyOf(one)) ?? one;
    builds.set(keyOf(one), { ...one, first: Math.min(first, one.first), last: Math.max(last, one.last) });
  }
  return [...builds.values()].sort((one, other) => other.last - one.last || byKey(one, other)).slice(0, MOST);
}

// True if the build is worth storing: unknown, or last recorded a day ago.
export const isNews = (known, build) => isBuild(build)
  && read(known).every((one) => keyOf(one) !== keyOf(build) || build.last - one.last >= DAY);

// Signs that devices were not sent the same page. "differ": two builds of one version. "turns": one build was served
// more than an hour (the tolerance for clocks) after another had replaced it; records from a clock that is ahead are
// ignored.
export function doubts(builds, now) {
  const recent = read(builds).filter(({ last }) => now - last <= RECENT);
  recent.sort((one, other) => one.first - other.first || byKey(one, other));
  return recent.flatMap((one, i) => recent.slice(i + 1).flatMap((other) => {
    if (one.version === other.version) return [["differ", one, other]];
    return one.last - other.first > HOUR && one.last <= now + HOUR ? [["turns", one, other]] : [];
  }));
}

// Limits how often one browser records, whatever its clock does.
export const isTooSoon = (noted, now) => Math.abs(now - noted) < HOUR;
