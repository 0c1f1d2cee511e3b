// Navigation: shows the conversation of the address next to the list. Switching does not reload the page; open threads
// are put away as they are, so that scroll position, alarms and drafts are kept. Also sends what is unsent in any of
// them.

import { setCurrent, setNote } from "./conversation-list.js";
import { focusLater, leaveFocus } from "./dom.js";
import { CONVERSATION_PATH } from "./first.js";
import { isQuiet, loadQueue } from "./keystore.js";
import { join, unjoin } from "./live.js";
import { hasOpened } from "./organizing.js";
import { hasLeft } from "./session.js";
import { instantiate } from "./shell.js";
import { describe } from "./unsent.js";
import { say } from "./words.js";

const MOST_KEPT = 8; // conversations, with everything loaded of them

const kept = new Map(); // conversation → its <message-thread>, most recent last
// Contains what must work without being shown. Nothing finds it there, so its ids and labels confuse nobody.
const aside = document.createElement("div");
aside.hidden = true;
const work = aside.attachShadow({ mode: "closed" });
let main;
let shown = null; // the <message-thread> on the page

export const currentThread = () => shown;

function keep(thread) {
  kept.delete(thread.conversation);
  kept.set(thread.conversation, thread);
  if (thread.isSending) work.append(thread);
  const oldest = [...kept.values()].slice(0, -MOST_KEPT).find((each) => each !== shown && !each.isSending);
  if (!oldest) return;
  oldest.end();
  oldest.remove();
  kept.delete(oldest.conversation);
}

function putAway() {
  if (!shown) return;
  shown.leave();
  unjoin(shown.conversation);
  keep(shown);
  shown = null;
}

function makeThread(conversation) {
  const thread = instantiate("thread").firstElementChild;
  thread.conversation = conversation;
  return thread;
}

function show() {
  const conversation = CONVERSATION_PATH.exec(location.pathname)?.[1] ?? null;
  if (shown?.conversation === conversation && shown) return;
  putAway();
  document.body.className = conversation ? "session reading" : "session listing";
  if (!conversation) {
    main.replaceChildren(instantiate("home"));
    setCurrent(null, "EZ-DMS");
    return;
  }
  shown = kept.get(conversation) ?? makeThread(conversation);
  setCurrent(conversation, shown.pageTitle);
  main.replaceChildren(shown);
  shown.enter();
  join();
  hasOpened(conversation).catch(() => {});
}

const isLoaded = (conversation) => conversation === shown?.conversation || kept.has(conversation);

export const loadedThreads = () => [...new Set([...kept.values(), shown])].filter((thread) => thread);

// The loaded conversations that show unsent messages.
const sending = () => loadedThreads().filter((thread) => thread.isSending).map(({ conversation }) => conversation);

// The thread of a conversation, even if it is not shown.
function threadOf(conversation) {
  if (conversation === shown?.conversation) return shown;
  const thread = kept.get(conversation) ?? makeThread(conversation);
  if (!aside.isConnected) document.body.append(aside);
  if (!thread.isConnected) work.append(thread);
  keep(thread);
  return thread;
}

// There is no such conversation, or it is not the user's.
export function showNothing(thread) {
  kept.delete(thread.conversation);
  if (thread !== shown) return thread.remove();
  shown = null;
  main.replaceChildren(instantiate("nothing"));
  setCurrent(null, say("title-missing"));
}

// The user deleted the conversation: nothing of it stays on the page.
export function leaveForGood(thread) {
  kept.delete(thread.conversation);
  thread.end();
  thread.remove();
}

// Go from this conversation to the list, and do the rest. Then the focus is in the list.
export async function goToList(thread, work) {
  if (thread !== shown) return work();
  const focus = focusLater();
  go("/");
  await work();
  const isThere = (line) => line.conversation !== thread.conversation && line.checkVisibility();
  const line = [...document.querySelectorAll("nav conversation-item")].find(isThere);
  focus(line?.querySelector("a") ?? document.getElementById("to-new-chat"));
}

export function go(path) {
  leaveFocus(); // the next view may take it
  if (path !== location.pathname) history.pushState(null, "", path);
  show();
}

const isHere = (path) => path === "/" || CONVERSATION_PATH.test(path);

export function startNavigating(element) {
  main = element;
  document.body.append(aside);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const path = link.getAttribute("href");
    if (!isHere(path)) return;
    event.preventDefault();
    go(path);
  });
  addEventListener("pagehide", () => hasLeft || shown?.leave());
  addEventListener("popstate", () => (isHere(location.pathname) ? show() : location.reload()));
  show();
}

// The unsent messages of all conversations are sent from whichever page is open. Each conversation is loaded for that,
// but not shown.

const AGAIN = 10000; // ms
const AT_ONCE = 4; // conversations

let noted = []; // conversations
let round = null; // being sent

async function sendAll() {
  const queue = await loadQueue();
  for (const conversation of noted) if (!queue.has(conversation)) setNote(conversation, { unsent: undefined });
  for (const [conversation, item] of queue) {
    if (!isLoaded(conversation)) setNote(conversation, { unsent: isQuiet(item) ? undefined : describe(item) });
  }
  noted = [...queue.keys()];
  const waiting = [...new Set([...noted, ...sending()])]; // those shown may have been taken back by another tab
  const work = async () => { while (waiting.length) await threadOf(waiting.shift()).send().catch(() => {}); };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

// Whatever the browser says about the connection: it only knows about the next network, and may be wrong. What fails
// is tried again with the next round.
export function sendQueued() {
  round ??= sendAll().catch(() => {}).finally(() => { round = null; });
}

export function keepSending() {
  sendQueued();
  setInterval(sendQueued, AGAIN);
  addEventListener("online", sendQueued);
}

// Where the list is scrolled to: kept while conversations move to its top, while a phone shows a conversation, and when
// the page is reloaded.

const SCROLLED = "ezdms-list"; // in this tab

let list;
let scroller;
let place = 0;
let anchors = []; // the first lines in view: [line, its place in the list]

const isShown = () => scroller.clientHeight > 0;
const topOf = (element) => element.getBoundingClientRect().top;
const placeOf = (line) => topOf(line) - topOf(list);

function note() {
  if (!isShown()) return;
  place = scroller.scrollTop;
  sessionStorage.setItem(SCROLLED, place);
  const covers = scroller.querySelector("dialog[open]") ?? scroller.firstElementChild; // New chat and the header stay
  const below = covers.getBoundingClientRect().bottom;
  const { left } = list.getBoundingClientRect();
  const first = document.elementFromPoint(left + 8, below + 8)?.closest("conversation-item");
  anchors = [first, first?.nextElementSibling].filter(Boolean).map((line) => [line, placeOf(line)]);
}

// Lines have moved: those in view stay where they are. At the top, the newest stay in view.
function hold() {
  if (!place || !anchors.length || !isShown()) return;
  const moves = anchors.filter(([line]) => line.isConnected).map(([line, before]) => placeOf(line) - before);
  const [move = 0] = moves.sort((one, other) => Math.abs(one) - Math.abs(other)); // one may be at the top now
  if (scroller.scrollTop === place) scroller.scrollTop += move;
  note();
}

// Go back there, and further only if needed to show this line.
export function goBack(line) {
  if (!scroller || !isShown()) return;
  if (scroller.scrollTop !== place) scroller.scrollTop = place;
  line?.scrollIntoView({ block: "nearest" });
}

export function keepPlace(element) {
  list = element;
  scroller = list.closest(".sidebar");
  if (!scroller) return; // on a page that does not show it
  place = Number(sessionStorage.getItem(SCROLLED));
  scroller.addEventListener("scroll", note, { passive: true });
  new MutationObserver(hold).observe(list, { childList: true });
}
