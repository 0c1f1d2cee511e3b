// Organizing conversations: nicknames, muting, pinning, archiving, marking as unread, deleting, and the order of the
// list. What the user makes of a conversation stands in the vault (docs/protocol.md, More in the vault), for all their
// devices, and nothing that the server says about it is drawn. It learns only until when a conversation is muted, and
// that it was deleted.

import { personOf, renewList, setNote, showAgain } from "./conversation-list.js";
import { focusLater, moveBefore, onPress, onSubmit, showAlert } from "./dom.js";
import { forgetDrafts, loadContact, loadOutbox } from "./keystore.js";
import { goToList, leaveForGood } from "./navigate.js";
import { wantPreview } from "./previews.js";
import { isBlocked, latest, nextAt, preferences, readCleared } from "./remembered.js";
import { drawable } from "./sealed-text.js";
import { postForm } from "./server.js";
import { changeContact } from "./vault.js";
import { folded, say, sentenceOf } from "./words.js";

const HOUR = 3600000; // ms
const ALWAYS = 253402300799999; // ms: the end of the year 9999
const MUTES = { "mute-1h": HOUR, "mute-8h": 8 * HOUR, "mute-1w": 168 * HOUR, "mute-always": Infinity };
const LONGEST_NICKNAME = 50; // code points
const LOOK_AGAIN = 5000; // ms

// ---- What is known ----

const NONE = preferences({});
const known = new Map(); // conversation → its preferences (remembered.js), of the contacts in the vault

export const prefsOf = (conversation) => known.get(conversation) ?? NONE;
export const isMuted = (conversation) => prefsOf(conversation).mutedUntil > Date.now();

// What title and badge count. `unread`: as the server says.
export const countIn = (conversation, unread) =>
  (isMuted(conversation) ? 0 : Math.max(unread, Number(prefsOf(conversation).isUnread)));

// A contact may have changed. Returns whether its preferences did.
export function notePreferences(conversation, contact) {
  const [before, now] = [known.get(conversation), preferences(contact)];
  known.set(conversation, now);
  drawable(now.nick);
  return JSON.stringify(before) !== JSON.stringify(now);
}

setInterval(() => {
  for (const [conversation, { mutedUntil }] of known) {
    if (!mutedUntil || mutedUntil > Date.now()) continue;
    known.set(conversation, { ...prefsOf(conversation), mutedUntil: 0 });
    showAgain(conversation);
  }
}, LOOK_AGAIN);

// ---- What changes it ----

// `change`: members of `prefs`. `more(contact)` returns what else changes.
const organize = (conversation, change, more = () => ({})) => changeContact(conversation, (contact) => {
  const before = latest(contact.prefs, null);
  return { prefs: { ...before, ...change, at: nextAt(before, Date.now()) }, ...more(contact) };
});

// First at the server: what it sends is to be as shown.
async function mute({ conversation }, until) {
  await postForm(`/conversations/${conversation}/mute`, { until });
  await organize(conversation, { muted: until });
}

const isHere = (conversation) => location.pathname === `/c/${conversation}`;

// What was seen until now does not bring it back.
function archive(thread) {
  const seen = ({ theirs }) => ({ theirs: thread.judge?.seen.theirs ?? theirs });
  return goToList(thread, () => organize(thread.conversation, { archived: true, unread: false }, seen));
}

const markUnread = (thread) => goToList(thread, () => organize(thread.conversation, { unread: true }));

// The user looks at the conversation.
export async function hasOpened(conversation) {
  const contact = await loadContact(conversation);
  const isMarked = contact && preferences(contact).isUnread;
  if (isMarked && !document.hidden && isHere(conversation)) await organize(conversation, { unread: false });
}

// The other's message with this number was verified. A new one brings an archived conversation back, unless it is
// muted. `isChange`: it is a reaction or the like, which does not, but others may have come before it.
export async function bringBack(conversation, n, isChange) {
  if (!prefsOf(conversation).isArchived || isMuted(conversation)) return;
  const contact = await loadContact(conversation);
  const last = contact?.theirs?.[0] ?? 0;
  if (contact && !isBlocked(contact) && n > last + Number(isChange)) await organize(conversation, { archived: false });
}

const plainName = (typed) => [...typed.replace(/\p{Z}/gu, " ").replace(/\p{C}/gu, "").trim()]
  .slice(0, LONGEST_NICKNAME).join("").trim();

// Delete the conversation of this thread: first in the vault, so that nothing that is here now is shown any more,
// whatever the server does. Then the server empties the user's copies. Throws if something waits to be sent, or if the
// server cannot be reached.
export async function deleteConversation(thread) {
  const { conversation } = thread;
  if ((await loadOutbox(conversation)).length) throw new Error(say("delete-waiting"));
  if (thread.judge) await thread.catchUp(Infinity);
  const seen = thread.judge?.seen ?? { own: null, theirs: null };
  const highest = (contact) => (side, i) =>
    Math.max(readCleared(contact.cleared)[i], contact[side]?.[0] ?? 0, seen[side]?.[0] ?? 0);
  const clear = (contact) => ({ cleared: ["own", "theirs"].map(highest(contact)) });
  const { isPinned: wasPinned, isArchived, isUnread } = prefsOf(conversation);
  const plainly = { pinned: false, archived: false, unread: false };
  if (wasPinned || isArchived || isUnread) await organize(conversation, plainly);
  if (thread.contact.known) await thread.contact.store(clear); // otherwise nobody knows whose it is
  await postForm(`/conversations/${conversation}/delete`);
  await forgetDrafts(conversation);
  await goToList(thread, async () => {
    leaveForGood(thread);
    setNote(conversation, { draft: "", unsent: undefined });
    await renewList().catch(() => {}); // with the next connection
  });
}

// ---- The menu of a conversation (conversation-options.js) ----

const isKept = ({ conversation }) => known.has(conversation); // a request is not, until it is answered or accepted
const pair = (name, isOn, turnOn, turnOff) => ({
  [name]: { isOffered: (thread) => isKept(thread) && !isOn(thread), run: turnOn },
  [`un${name}`]: { isOffered: (thread) => isKept(thread) && isOn(thread), run: turnOff },
});
const inPrefs = (name) => ({ conversation }) => prefsOf(conversation)[name];
const set = (change) => ({ conversation }) => organize(conversation, change);

export const ORGANIZING = {
  ...pair("mute", ({ conversation }) => isMuted(conversation), (_, options) => options.openSheet("muting"),
    (thread) => mute(thread, 0)),
  ...pair("pin", inPrefs("isPinned"), set({ pinned: true }), set({ pinned: false })),
  ...pair("archive", inPrefs("isArchived"), archive, set({ archived: false })),
  "mark-unread": { isOffered: isKept, run: markUnread },
  nickname: {
    isOffered: isKept,
    run: (thread, options) => {
      const sheet = options.openSheet("nicknaming");
      sheet.querySelector("input").value = inPrefs("nick")(thread);
      sheet.querySelector(".signed-name").textContent = thread.contact.known.name;
    },
  },
  "delete-conversation": {
    run: (thread, options) => { options.openSheet("deletion").querySelector(".timed").hidden = !thread.timer; },
  },
};

// Once for each conversation: what its dialogs do.
export function prepareOrganizing(options) {
  const { thread } = options;
  const [muting, naming, deletion] = [".muting", ".nicknaming", ".deletion"].map((name) => options.querySelector(name));
  onPress(muting, ({ target: { dataset } }) => {
    if (!Object.hasOwn(MUTES, dataset.do)) return;
    muting.hidePopover();
    options.try(() => mute(thread, Math.min(Date.now() + MUTES[dataset.do], ALWAYS)));
  });
  onSubmit(naming, say("nickname-saving"), async () => {
    await organize(thread.conversation, { nick: plainName(naming.querySelector("input").value) });
    naming.hidePopover();
    await thread.contact.renew();
  });
  onPress(deletion.querySelector("[data-do=delete]"), async ({ target }) => {
    showAlert(deletion);
    target.disabled = true;
    await deleteConversation(thread).catch((error) => showAlert(deletion, sentenceOf(error)));
    target.disabled = false;
  });
}

// ---- The list: pinned conversations first, archived ones apart, and only those that the search finds ----

let list;
let archived; // the list of archived ones
let button; // shows it
let nav;
let isOpen = false;
let sought = null; // what names must contain; null: all are shown

export const NOBODY = ["\0"]; // is in no name
const linesIn = (element) => [...element.children].filter(({ conversation }) => conversation);
const isPinned = (line) => prefsOf(line.conversation).isPinned;

// Put it where its last message belongs.
function insert(line, home) {
  const timeOf = ({ dataset }) => Number(dataset.lastAt);
  const isOlder = (other) => other !== line && isPinned(other) === isPinned(line) && timeOf(other) < timeOf(line);
  const next = linesIn(home).find(isOlder);
  if (next) moveBefore(line, next);
  else home.append(line);
}

export function arrange() {
  if (!archived) return;
  for (const line of [...linesIn(list), ...linesIn(archived)]) {
    const home = prefsOf(line.conversation).isArchived ? archived : list;
    if (line.parentElement !== home || (line.wasPinned ?? isPinned(line)) !== isPinned(line)) insert(line, home);
    line.wasPinned = isPinned(line);
    if (home === archived && line.dataset.unread !== "0") wantPreview(line); // it may bring it back
  }
  let place = list.firstElementChild;
  for (const line of linesIn(list).filter(isPinned)) {
    if (line === place) place = place.nextElementSibling;
    else moveBefore(line, place);
  }
  button.querySelector(".count").textContent = archived.childElementCount;
  sift();
}

// Show only the people in whose name or nickname all of these words (words.js) are; null: everyone.
export function sift(words = sought) {
  sought = words;
  if (!archived) return;
  const lines = [...linesIn(list), ...linesIn(archived)];
  const isFound = ({ called = "", name = "" } = {}) =>
    [called, name].map(folded).some((each) => sought.every((word) => each.includes(word)));
  for (const line of lines) line.hidden = sought !== null && !isFound(personOf(line.conversation));
  nav.querySelector(".filter").hidden = !lines.length && sought === null;
  nav.querySelector(".none").hidden = lines.some(({ hidden }) => !hidden) || sought === null || sought === NOBODY;
  archived.hidden = !(isOpen || sought);
  button.hidden = !archived.childElementCount || sought !== null;
  button.ariaExpanded = String(isOpen);
}

// The arrow keys lead from line to line.
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const links = [...nav.querySelectorAll("#filter, a, .found")].filter((each) => each.checkVisibility());
  const next = links[links.indexOf(document.activeElement) + step];
  if (!links.includes(document.activeElement) || !next) return;
  event.preventDefault();
  focusLater()(next);
}

// `element`: the list. On pages that do not show it, nothing is arranged.
export function keepOrder(element) {
  list = element;
  nav = list.closest("nav");
  if (!nav) return;
  [archived, button] = ["#archived", "#to-archived"].map((name) => nav.querySelector(name));
  new MutationObserver(arrange).observe(list, { childList: true });
  onPress(button, () => { isOpen = !isOpen; sift(); });
  nav.addEventListener("keydown", walk);
}
