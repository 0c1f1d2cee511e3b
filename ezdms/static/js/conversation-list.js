// The list of conversations, with signed names and unread counts.

import * as crypto from "./crypto.js";
import { showPageAlert } from "./dom.js";
import { swapIn } from "./guard.js";
import { loadContacts, loadDrafts } from "./keystore.js";
import { goBack, keepPlace } from "./navigate.js";
import { arrange, countIn, keepOrder, notePreferences, prefsOf } from "./organizing.js";
import { keyTag, looksOf, SHORTEST_TAG, showHead } from "./partner.js";
import { fetchPreviews, forgetPreview } from "./previews.js";
import { isDeleted, readCleared, stateOf } from "./remembered.js";
import { getFragment, onceMore } from "./server.js";
import { account } from "./session.js";
import { LIST, say } from "./words.js";

const AT_ONCE = 20; // key statements checked in parallel
const nobodyKnown = () => ({ name: say("unknown-person") });

const people = new Map(); // conversation → {name, ik, called, state}: signed name, key as b64u, name shown, stateOf
const cleared = new Map(); // conversation → up to which rows the user deleted it, as far as this page knows
const namesakes = new Map(); // what a name looks like → the conversations with people of such a name
const tags = new Map(); // conversation → what tells this person from namesakes
const lines = new Map(); // conversation → its <conversation-item>
const notes = new Map(); // conversation → {draft, unsent}
const unknown = []; // lines whose name is not known yet
let isNaming = false;
let list;
let isListed = false;
let isAsking = false; // the whole list is being requested, in its order
let round = 0; // how often it was requested
let current = null;
let title = document.title;

export const personOf = (conversation) => people.get(conversation);
export const isRenewing = () => isAsking;
export const lineOf = (conversation) => lines.get(conversation);

// All that the user's devices know about a contact (vault.js). A conversation that was deleted on another one goes
// here, too, unless it has come back: the server's list says which.
export function setContact(conversation, contact) {
  const [before, now] = [cleared.get(conversation), String(readCleared(contact.cleared))];
  cleared.set(conversation, now);
  const isOther = notePreferences(conversation, contact);
  setPerson(conversation, contact, stateOf(contact));
  tellContact(conversation, contact);
  if (isOther) showAgain(conversation);
  if (before === undefined || before === now) return;
  forgetLine(conversation);
  renewList().catch(() => {}); // with the next connection
}

// `state`: what the user made of them (remembered.js), if that is known by now.
export function setPerson(conversation, { name, ik }, state = stateIn(conversation)) {
  const known = people.get(conversation);
  const called = prefsOf(conversation).nick || name;
  const isSame = known?.name === name && known.ik === ik && known.called === called;
  if (isSame && known.state === state) return;
  people.set(conversation, { name, ik, called, state });
  if (!isSame) {
    for (const looks of looksOfPerson(known)) namesakes.get(looks)?.delete(conversation);
    tags.delete(conversation);
    if (ik) for (const looks of looksOfPerson({ name, called })) tellApart(looks, conversation);
  }
  showPerson(conversation);
  if (known && known.state !== state) countAnew();
}

const looksOfPerson = (one) => new Set(one ? [one.name, one.called].map(looksOf) : []); // a nickname hides no name

// "request", "accepted" or "blocked".
export const stateIn = (conversation) => people.get(conversation)?.state ?? "request";

function showPerson(conversation) {
  lines.get(conversation)?.showFacts();
  document.querySelectorAll("message-thread").forEach(showHead);
}

// Its preferences are others, but nothing has arrived.
export function showAgain(conversation) {
  showPerson(conversation);
  arrange();
  countAnew();
}

// People with the same name are told apart by the start of their fingerprints: as much of it as that takes.
async function tellApart(name, newcomer) {
  const all = namesakes.get(name) ?? new Set();
  namesakes.set(name, all.add(newcomer));
  if (all.size === 1) return;
  const twins = [...all];
  const keys = twins.map((conversation) => crypto.b64uDecode(people.get(conversation).ik, 32));
  const fps = await Promise.all(keys.map(crypto.fingerprint));
  let length = SHORTEST_TAG;
  while (length < 64 && new Set(fps.map((fp) => keyTag(fp, length))).size < fps.length) length += 1;
  twins.forEach((conversation, i) => tags.set(conversation, keyTag(fps[i], length)));
  twins.forEach(showPerson);
}

// "key 3F9A" if another contact has the same name, otherwise "".
export const tagOf = (conversation) => tags.get(conversation) ?? "";

// Show this name in the element, with the tag if there is one.
export function showNameIn(element, name, conversation, tag = tagOf(conversation)) {
  const parts = [name, tag].filter(Boolean)
    .map((textContent, i) => Object.assign(document.createElement("span"), { textContent, className: i ? "tag" : "" }));
  element.replaceChildren(...(parts.length > 1 ? [parts[0], " ", parts[1]] : [name]));
}

// Register a new line. Returns the existing line of the same conversation, if any.
export function standIn(line) {
  const twin = lines.get(line.conversation);
  if (!twin?.isConnected) lines.set(line.conversation, line);
  lines.get(line.conversation).round = round;
  return twin?.isConnected ? twin : null;
}

// Find the name of someone who is not a contact yet, from their key statement, if it is the key of this conversation.
export function findName(line) {
  unknown.push(line);
  if (!isNaming) nameAll();
}

async function nameAll() {
  isNaming = true;
  const me = await account;
  while (unknown.length) {
    const batch = unknown.splice(0, AT_ONCE);
    await Promise.all(batch.map(async ({ conversation, dataset: { statement } }) => {
      const partner = await crypto.verifyStatement(statement);
      const isTheirs = await crypto.conversationId(me.fp, partner.fp) === conversation;
      setPerson(conversation, isTheirs ? { name: partner.name, ik: crypto.b64uEncode(partner.ik) } : nobodyKnown());
    }).map((naming, i) => naming.catch(() => setPerson(batch[i].conversation, nobodyKnown())))); // opening it shows why
    await new Promise((resolve) => { setTimeout(resolve); }); // keep a long list responsive
  }
  isNaming = false;
}

// Set the open conversation, and the page title.
export function setCurrent(conversation, name) {
  const left = lines.get(current);
  current = conversation;
  left?.showCurrent(false);
  lines.get(current)?.showCurrent(true);
  goBack(lines.get(current));
  title = name;
  showTitle();
}

// {draft: its text or "", unsent: the text of the last unsent message, or null if there is none}
export const noteOf = (conversation) => notes.get(conversation) ?? {};
export function setNote(conversation, note) {
  notes.set(conversation, { ...noteOf(conversation), ...note });
  lines.get(conversation)?.showLast();
}

export const isCurrent = (conversation) => conversation === current;

// Show the unread count in the title, so that it is visible from other tabs, and as a badge of an installed page. The
// open conversation counts, too, unless someone is looking at it; requests do not, nor who is blocked.
let counted = Infinity; // until the list is here
function showTitle() {
  let unread = 0;
  for (const [conversation, { dataset }] of lines) {
    if (stateIn(conversation) !== "accepted") continue;
    if (conversation !== current || document.hidden) unread += countIn(conversation, Number(dataset.unread));
  }
  document.title = unread ? `(${unread}) ${title}` : title;
  navigator.setAppBadge?.(unread).catch(() => {}); // 0: none
  if (unread > counted) tellMore();
  counted = isListed ? unread : Infinity;
}
function countAnew() {
  counted = Infinity; // what is open counts or does not: nothing has arrived
  showTitle();
}
document.addEventListener("visibilitychange", countAnew);

// `tell()` runs whenever there are more unread messages than before.
let tellMore = () => {};
export function onMore(tell) {
  tellMore = tell;
}

// `tell(conversation, contact)` runs for every contact, and whenever one has changed.
let tellContact = () => {};
export function onContact(tell) { tellContact = tell; }

// `tell(count)` runs with the number of conversations whenever lines have arrived.
let tellCount = () => {};
export function onCount(tell) {
  tellCount = tell;
}

// Update the page after lines have arrived.
export function showWhole() {
  const empty = list?.parentElement.querySelector(".empty");
  if (empty) empty.hidden = lines.size > 0;
  tellCount(lines.size);
  fetchPreviews();
  showTitle();
}

// Use this element for the list. Contacts' names are known before the server sends anything.
export function useList(element) {
  list = element;
  keepOrder(list);
  keepPlace(list);
  loadDrafts().then((drafts) => drafts.forEach(([conversation, draft]) => setNote(conversation, { draft })), () => {});
  renewPeople().catch(() => {});
}

// Another tab or device may have changed contacts.
export async function renewPeople() {
  for (const [conversation, contact] of Object.entries(await loadContacts())) setContact(conversation, contact);
}

// The user deleted this conversation: nothing of it is shown until something new is verified.
function forgetLine(conversation) {
  forgetPreview(conversation);
  lines.get(conversation)?.showNewest(null);
}

// Request the whole list. Lines that are not in it go only if the user deleted the conversation, or knows nobody there.
export const renewList = onceMore(async () => {
  const { user_id: userId } = await account;
  round += 1;
  const text = await getFragment(`/conversations/${userId}`);
  isAsking = true;
  const isLetIn = await swapIn(text, list, "afterbegin");
  isAsking = false;
  const contacts = await loadContacts();
  for (const [conversation, line] of isLetIn ? lines : []) {
    const contact = contacts[conversation];
    if (line.round === round || (contact && !isDeleted(contact))) continue;
    lines.delete(conversation);
    line.remove();
  }
  showWhole();
  if (!isListed) goBack(lines.get(current));
  isListed = true;
  if (isLetIn && list.isConnected) reportMissing(contacts); // otherwise no line was drawn, or the session has ended
});

// Report contacts with messages that the server no longer lists.
function reportMissing(contacts) {
  const isMissed = ([conversation, contact]) =>
    (contact.own || contact.theirs) && !isDeleted(contact) && !lines.has(conversation);
  const missing = Object.entries(contacts).filter(isMissed).map(([, { name }]) => name);
  if (missing.length) showPageAlert(say("not-listed", { names: LIST.format(missing) }));
}
