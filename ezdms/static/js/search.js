// Search: one field that filters conversations by name and finds messages, in all of them or in one. Their history is
// loaded in the background (search-index.js) while something is searched, latest first, and stays in memory; with a
// search index, what it has is there from the first frame on. What is found is drawn as text, never as markup.

import { foundMessage } from "./conversation-item.js";
import { lineOf, onContact, personOf } from "./conversation-list.js";
import { focusLater, onPress } from "./dom.js";
import { goTo } from "./message-log.js";
import { currentThread, go } from "./navigate.js";
import { NOBODY, sift } from "./organizing.js";
import { isDeleted, stateOf } from "./remembered.js";
import { Shelf } from "./search-index.js";
import { account, cutFromIndex, searchIndex } from "./session.js";
import { finds, folded, isEmpty, monthOf, readQuery, say, sentenceOf } from "./words.js";

const MOST_SHOWN = 50; // results at first, and more with each press
const DRAW_EVERY = 250; // ms; while pages arrive
const TELL_AFTER = 600; // ms after the last key, and between two sentences, for screen readers
const TICK = 1000; // ms

const contacts = new Map(); // conversation → contact, of all that are known
const shelves = new Map(); // conversation → its Shelf
let nav; // contains the field, the list, and what is found
let query = null; // null: nothing is searched
let within = null; // {conversation, contact}, or null for all conversations
let [isLoading, isStopped] = [false, false]; // stopped by the user, or because something went wrong
let problem = ""; // what went wrong
let [back, most] = [Infinity, MOST_SHOWN]; // until when the history was searched (ms; -Infinity: all); results
let drawing, telling, told; // timers; how many were found
const drawn = new WeakMap(); // row → [what its element shows, the element]

const part = (selector) => nav.querySelector(selector);
const field = () => part("#filter");
const kindButtons = () => part(".kinds").children;

// ---- Loading ----

// What can be searched: conversations in the list that the user has accepted; requests only on their own.
const accepted = () =>
  [...contacts].filter(([conversation, contact]) => lineOf(conversation) && stateOf(contact) !== "request");
const places = () =>
  (within ? [[within.conversation, contacts.get(within.conversation) ?? within.contact]] : accepted());

const shelvesHere = () => places().map(([conversation]) => shelves.get(conversation)).filter(Boolean);

// With what the index has.
async function addShelf(conversation, contact) {
  if (shelves.has(conversation)) return;
  shelves.set(conversation, await Shelf.of(await account, conversation, contact));
  if (contacts.has(conversation)) renew(conversation, contacts.get(conversation)); // something else meanwhile
}

// Load the history, the latest page of all conversations first.
async function load() {
  if (isLoading || isStopped || isFollowing) return;
  isLoading = true;
  const known = shelves.size;
  try {
    while (query && !isStopped) {
      const timeOf = ([conversation]) => {
        const { hasOlder = true, oldest } = shelves.get(conversation) ?? {};
        return !hasOlder ? -Infinity : Math.min(oldest ?? Infinity, Number(lineOf(conversation)?.dataset.lastAt));
      };
      const timed = places().map((place) => [timeOf(place), ...place]);
      const [at, conversation, contact] = timed.reduce((one, other) => (other[0] > one[0] ? other : one), [-Infinity]);
      back = shelves.size ? at : Infinity;
      if (at === -Infinity) break;
      await addShelf(conversation, contact);
      await shelves.get(conversation)?.loadOlder();
      drawSoon();
    }
  } catch (error) {
    [problem, isStopped] = [sentenceOf(error), true];
  }
  isLoading = false;
  drawSoon();
  if (shelves.size > known) followSearch(); // the index ends where it was left, and this load kept frames waiting
}

// Something may have arrived: load it, if anything is searched, or is in the index, which keeps nothing that is gone.
let isFollowing = false;
export async function followSearch() {
  if (isFollowing) return;
  isFollowing = true;
  try {
    const hasIndex = await searchIndex() !== null;
    for (const place of hasIndex && !isLoading ? accepted() : []) await addShelf(...place);
    const all = () => (hasIndex ? [...shelves.values()] : query ? shelvesHere() : []);
    const lacking = () => all().find((shelf) => shelf.lacks(Number(lineOf(shelf.conversation)?.dataset.lastSeq)));
    for (let shelf = lacking(); shelf; shelf = lacking()) {
      await shelf.loadNewer();
      if (lacking() === shelf) break; // the server does not show what it has
      drawSoon();
    }
  } catch { /* again with the next frame */ }
  isFollowing = false;
  if (query) load();
}

// What the user's devices know about someone is new.
function renew(conversation, contact) {
  contacts.set(conversation, contact);
  if (shelves.get(conversation)?.renew(contact) === false) shelves.delete(conversation);
  else if (isDeleted(contact)) cutFromIndex(conversation).catch(() => {});
  drawSoon();
}

setInterval(() => {
  const isOver = [...shelves.values()].filter((shelf) => shelf.expire(Date.now())).length > 0;
  if (isOver) draw();
}, TICK);

// ---- What is found ----

// The rows that are found, latest first.
function search() {
  const found = shelvesHere().flatMap(({ conversation, rows }) => {
    const { called = "", name = "" } = personOf(conversation) ?? {};
    const names = [called, name].map(folded);
    return rows.filter((row) => finds(query, row, names));
  });
  return found.sort((one, other) => other.at - one.at || other.seq - one.seq);
}

function elementOf(row) {
  const shows = JSON.stringify([query.words, row.text, personOf(row.conversation)?.called, Boolean(within)]);
  if (drawn.get(row)?.[0] !== shows) drawn.set(row, [shows, foundMessage(row, query.words, within, open)]);
  return drawn.get(row)[1];
}

// Those that stay are not moved, so that the focus stays in them.
function replaceResults(elements) {
  const list = part(".results");
  const kept = new Set(elements);
  for (const element of [...list.children]) if (!kept.has(element)) element.remove();
  elements.forEach((element, i) => {
    if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null);
  });
}

function progress() {
  if (problem) return problem;
  if (back === -Infinity) return say("searched-all");
  return back === Infinity ? say("searching") : say("searched-back", { month: monthOf(back) });
}

function draw() {
  clearTimeout(drawing);
  drawing = null;
  const found = query ? search() : [];
  replaceResults(found.slice(0, most).map(elementOf));
  part(".finds").hidden = !query;
  part(".more-found").hidden = found.length <= most;
  part(".progress").textContent = query ? progress() : "";
  [part("[data-do=stop]").hidden, part("[data-do=resume]").hidden] = [!isLoading || isStopped, !isStopped];
  told = !query ? "" : found.length ? say("found", { count: found.length }) : say("found-none");
  if (query) telling ??= setTimeout(tell, TELL_AFTER);
  else tell();
}

function tell() {
  telling = null;
  if (part(".count-found").textContent !== told) part(".count-found").textContent = told;
}

function drawSoon() { if (nav) drawing ??= setTimeout(draw, DRAW_EVERY); }

// Go to the message, in its conversation. What was found stays in the list.
async function open(row) {
  part(".going").textContent = "";
  go(`/c/${row.conversation}`);
  const thread = currentThread();
  focusLater()(thread.log); // otherwise the field for messages would take it
  const focus = focusLater();
  await thread.settled();
  await goTo(thread, () => thread.loaded.rowOf(row.seq), part(".going"), focus);
}

// ---- The field ----

function change() {
  const typed = readQuery(field().value);
  query = isEmpty(typed) ? null : typed;
  most = MOST_SHOWN;
  part("[data-do=clear]").hidden = !field().value;
  for (const button of kindButtons()) button.ariaPressed = String(query?.has.includes(button.dataset.do) ?? false);
  part(".kinds").hidden = !within && !query?.has.length;
  part(".results").toggleAttribute("data-grid", query?.has.includes("picture") ?? false);
  telling = clearTimeout(telling) ?? null;
  sift(within ? NOBODY : query && (query.words.length ? query.words : NOBODY));
  if (!query) [isStopped, problem] = [false, ""];
  draw();
  followSearch(); // loads the rest, too
}

const clear = () => { field().value = ""; change(); };

// Only what has this, or anything again.
function toggleKind(kind) {
  const others = field().value.replace(/(^|\s)has:(picture|file|link)(?!\S)/gi, "").trim();
  field().value = query?.has.includes(kind) ? others : `has:${kind} ${others}`;
  change();
}

// Search in this conversation, or in all: null.
function setWithin(place) {
  within = place;
  back = Infinity;
  const { called = say("unknown-person") } = personOf(place?.conversation) ?? {};
  part(".within span").textContent = place ? say("search-within", { name: called }) : "";
  part(".within").hidden = !place;
  change();
}

// The menu of a conversation (conversation-options.js). `typed`: what is searched at first.
export function searchIn({ conversation, contact }, typed = field().value) {
  if (!field().checkVisibility()) go("/");
  field().value = typed;
  setWithin({ conversation, contact: contact.known });
  focusLater()(field());
}

export function useSearch(session) {
  nav = session.querySelector("nav");
  onContact(renew);
  field().addEventListener("input", change);
  field().addEventListener("keydown", ({ key, isComposing }) => {
    if (key !== "Escape" || isComposing) return;
    if (field().value) clear();
    else setWithin(null);
  });
  onPress(part("[data-do=clear]"), () => { clear(); focusLater()(field()); });
  for (const button of kindButtons()) onPress(button, () => toggleKind(button.dataset.do));
  onPress(part("[data-do=everywhere]"), () => { setWithin(null); focusLater()(field()); });
  onPress(part("[data-do=stop]"), () => { isStopped = true; draw(); focusLater()(part("[data-do=resume]")); });
  onPress(part("[data-do=resume]"), () => {
    [isStopped, problem] = [false, ""];
    load();
    draw();
    focusLater()(part("[data-do=stop]"));
  });
  onPress(part(".more-found"), () => { most += MOST_SHOWN; draw(); });
}
