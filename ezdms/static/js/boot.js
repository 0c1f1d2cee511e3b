// Starts the page: first the guards, then our elements, then the content of this address.

import "./guard.js";
import "./keyboard.js";
import "./conversation-item.js";
import "./message-thread.js"; // before the elements inside it
import "./message-composer.js";
import "./attach.js";
import "./message-log.js";
import "./message-row.js";
import "./message-menu.js";
import "./conversation-options.js";
import "./meeting.js";
import "./sealed-text.js";
import { reasonOf, showEnded, showFront } from "./front.js";
import "./viewer.js";
import "./voice.js";
import "./two-step.js";
import "./passkeys.js";
import { lineOf, onMore, renewList, renewPeople, setCurrent, showWhole, useList } from "./conversation-list.js";
import { canSign } from "./crypto.js";
import { showPageAlert, showUsername } from "./dom.js";
import { remembered, tellLost } from "./keystore.js";
import { connect, join } from "./live.js";
import { currentThread, keepSending, loadedThreads, sendQueued, startNavigating } from "./navigate.js";
import { dropWorker, keepNotifying, notify } from "./notifications.js";
import { showLeft } from "./partner.js";
import { followSearch, useSearch } from "./search.js";
import { pauseAfter } from "./server.js";
import { hasNewPin, openForShortcut, useNewChat } from "./start-conversation.js";
import { account, getStanding, noteAccount, whyLeft } from "./session.js";
import { oddBuilds } from "./settings.js";
import { instantiate, isWhole, UNVERIFIED, watchArrival } from "./shell.js";
import { isOpened, noteServed, onVault, syncVault } from "./vault.js";
import { say, sentenceOf } from "./words.js";

const SETTINGS = ["/settings", "/search-pin", "/sessions", "/account"];
const READ_FIRST = 1000; // ms for the open conversation to load before the list
const NOTE_AFTER = 15000; // ms until the build of this page is recorded; not urgent
const LIST_AFTER = 500; // ms for the socket to connect, before the list is loaded without it

function showSession(me) {
  const session = instantiate("session");
  useNewChat(session); // before its elements start: a Search PIN from a link opens it
  document.body.append(session);
  openForShortcut();
  document.querySelector(".me .name").textContent = me.username;
  document.querySelector(".me .name").ariaLabel = say("your-account", { name: me.username });
  document.getElementById("opened-here").hidden = !isOpened;
  oddBuilds().then(({ length }) => { document.getElementById("odd-builds").hidden = !length; }).catch(() => {});
  useSearch(document);
  useList(document.getElementById("conversations"));
  startNavigating(document.getElementById("main"));
}

function showSettings(path, me) {
  document.body.className = "front";
  document.body.append(instantiate("tabs"));
  const tab = document.querySelector(`.tabs a[href="${path}"]`);
  tab.setAttribute("aria-current", "page");
  document.getElementById("main").append(instantiate(path.slice(1)));
  showUsername(document, me.username);
  const list = Object.assign(document.createElement("div"), { id: "conversations", hidden: true }); // for the counts
  document.body.append(list);
  useList(list);
  setCurrent(null, `${tab.textContent} · EZ-DMS`);
}

function showWelcome() {
  document.body.className = "front";
  document.body.append(instantiate("welcome"));
  document.title = say("title-welcome");
}

let isListed = false;
let again; // timer
// Request the list until it arrives: while the connection lasts, nothing else would.
async function showList(attempt = 0) {
  clearTimeout(again);
  isListed = true;
  const wait = new Promise((resolve) => { setTimeout(resolve, READ_FIRST); });
  await Promise.race([wait, currentThread()?.settled()]); // the open conversation loads first, if it loads in time
  try {
    await renewList();
    followFrame();
  } catch ({ status }) {
    const isHere = status !== 401 && document.getElementById("conversations"); // otherwise the session has ended
    if (isHere) again = setTimeout(showList, pauseAfter(attempt, Math.random()), attempt + 1);
  }
}

// After each frame: update the list, and let the open conversation fetch what it lacks.
function followFrame() {
  showWhole();
  followSearch();
  const thread = currentThread();
  if (!thread) return;
  const line = lineOf(thread.conversation);
  if (line?.hasAttribute("data-left")) showLeft(thread).catch(() => {}); // unknown people have no composer
  const isNews = thread.follow(Number(line?.dataset.lastSeq ?? 0));
  if (isNews) join(); // marks it as read, since the user is looking at it
}

function goLive() {
  connect({
    status: document.getElementById("connection"),
    thread: currentThread,
    onFrame: followFrame,
    onConnect: () => {
      currentThread()?.reconnect();
      currentThread()?.signals.reconnect();
      sendQueued();
      showList();
    },
    check: () => getStanding(true),
  });
  keepSending();
  onMore(notify);
  keepNotifying().catch(() => {}); // Settings say more
  onVault(() => {
    renewPeople().catch(() => {});
    loadedThreads().forEach((thread) => thread.contact.renew().catch(() => {}));
  });
  setTimeout(() => isListed || showList(), LIST_AFTER);
}

// Nothing can be typed, and the page says why.
function showClosed(why) {
  showFront();
  showPageAlert(why);
  for (const control of document.querySelectorAll("input, button, textarea")) control.disabled = true;
}

async function start() {
  if (!isSecureContext || !globalThis.crypto?.subtle) return showClosed(UNVERIFIED["not-secure"]);
  const path = location.pathname;
  if (!(/^\/(welcome|c\/\w+)?$/.test(path) || SETTINGS.includes(path))) return showClosed(UNVERIFIED["no-host"]);
  if (!await isWhole(showPageAlert)) return;
  if (!await canSign()) return showClosed(say("too-old"));
  const me = await account.catch(() => null);
  const why = reasonOf(whyLeft(me));
  if (me === undefined && remembered("used")) tellLost(); // logged in, but the keys are gone
  if (me !== null) noteAccount(me).catch(() => {});
  if (!me) dropWorker().catch(() => {});
  if (!me) return showFront(why || (path === "/" ? "" : say("log-in-first")));
  if (hasNewPin(me) && path !== "/welcome") return location.replace("/welcome");
  if (path === "/welcome" && !hasNewPin(me)) return location.replace("/");
  if (path === "/welcome") showWelcome();
  else if (SETTINGS.includes(path)) showSettings(path, me);
  else showSession(me);
  try {
    const { user_id: userId, vault_version: stored } = await getStanding();
    if (userId !== me.user_id) return showFront(say("other-account"));
    syncVault(stored).catch(() => {}); // a conversation says why
  } catch (error) {
    if (error.status === 401) return showEnded();
  }
  if (path === "/welcome") return;
  goLive();
  setTimeout(() => getStanding().then((standing) => noteServed(standing.vault_version)).catch(() => {}), NOTE_AFTER);
}

// An extension that pins this release shows the page only after its scripts have reported, and asks again later:
// nothing else could answer (docs/verify.md).
const tellPin = () => dispatchEvent(new Event("ezdms-pinned"));
addEventListener("ezdms-pin", tellPin);
tellPin();
document.querySelector(".unstarted").remove();
watchArrival(showPageAlert);
start().catch((error) => showPageAlert(sentenceOf(error)));
