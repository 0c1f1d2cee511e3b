// The list of conversations: which stand in it, by what name, and how much is unread. Names are those that were signed.

import * as crypto from "./crypto.js";
import { showPageAlert } from "./dom.js";
import { swapIn } from "./guard.js";
import { loadContacts } from "./keystore.js";
import { getFragment } from "./server.js";
import { account } from "./session.js";

const AT_ONCE = 20; // key statements that are checked side by side
const UNKNOWN = "Unknown person";

const names = new Map(); // conversation → name that was signed
const lines = new Map(); // conversation → its <conversation-item>
const unknown = []; // those whose name is not known yet
let isNaming = false;
let list;
let current = null;
let title = document.title;

export const nameOf = (conversation) => names.get(conversation);
export const lineOf = (conversation) => lines.get(conversation);

export function setName(conversation, name) {
  if (names.get(conversation) === name) return;
  names.set(conversation, name);
  lines.get(conversation)?.showName();
}

// A line has come. The one that stood for the same conversation, if any.
export function standIn(line) {
  const twin = lines.get(line.conversation);
  if (!twin?.isConnected) lines.set(line.conversation, line);
  return twin?.isConnected ? twin : null;
}

// The name of somebody who is not a contact yet: their key says it, if it is the key of this conversation.
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
      setName(conversation, isTheirs ? partner.name : UNKNOWN);
    }).map((naming, i) => naming.catch(() => setName(batch[i].conversation, UNKNOWN)))); // opening it says why
    await new Promise((resolve) => { setTimeout(resolve); }); // a long list is shown, and can be pressed, meanwhile
  }
  isNaming = false;
}

// The open conversation, and the page's name.
export function setCurrent(conversation, name) {
  lines.get(current)?.showCurrent(false);
  current = conversation;
  lines.get(current)?.showCurrent(true);
  title = name;
  showTitle();
}

export const isCurrent = (conversation) => conversation === current;

// What is unread, in the title: also whoever looks at another tab sees it.
function showTitle() {
  let unread = 0;
  for (const [conversation, line] of lines) if (conversation !== current) unread += Number(line.dataset.unread);
  document.title = unread ? `(${unread}) ${title}` : title;
}

// After lines have come.
export function showWhole() {
  if (list) list.parentElement.querySelector(".empty").hidden = lines.size > 0;
  showTitle();
}

// The list stands in this element. Contacts are known by name before the server has said anything.
export function useList(element) {
  list = element;
  loadContacts().then((contacts) => {
    for (const [conversation, { name }] of Object.entries(contacts)) setName(conversation, name);
  }, () => {});
}

export async function renewList() {
  const { user_id: userId } = await account;
  const text = await getFragment(`/conversations/${userId}`);
  const isLetIn = await swapIn(text, list, "afterbegin");
  showWhole();
  if (isLetIn && list.isConnected) await reportMissing(); // else no line was drawn: the session has ended
}

// Whom one has talked to, and whom the server does not name any more.
async function reportMissing() {
  const missing = Object.entries(await loadContacts())
    .filter(([conversation, { own, theirs }]) => (own || theirs) && !lines.has(conversation))
    .map(([, { name }]) => name);
  if (missing.length) showPageAlert(`The server no longer lists your conversation with ${missing.join(", ")}.`);
}
