// The partner of a conversation: identified by their signed key statement, or by the known key of a deleted account.
// Also shows in a conversation whom it is with.

import { showAvatar, showHead } from "./conversation-list.js";
import * as crypto from "./crypto.js";

const OTHER_KEY = "The server shows a different key for this person. Nothing was sent. "
  + "Ask them for their Search PIN some other way.";
const UNKNOWN_KEY = "This person deleted their account before this browser knew their key, so nothing can be verified.";

// {ik, fp, name} and, unless the account was deleted, {spki, pin, …} of their statement. `facts`: the server's
// claims. Checks that the conversation belongs to these two keys. `contact`: what this browser knows, if anything.
export async function identify(me, conversation, facts, contact) {
  const partner = facts.left === undefined ? await byStatement(facts.statement) : await byMemory(contact);
  const theirs = await crypto.conversationId(me.fp, partner.fp);
  if (theirs !== conversation || facts.conversationId !== conversation) throw new Error(OTHER_KEY);
  return partner;
}

async function byStatement(statement) {
  const partner = await crypto.verifyStatement(statement);
  return { ...partner, pin: await crypto.pinOf(partner) };
}

// A deleted account has no statement: their messages are verified with the pinned key.
async function byMemory(contact) {
  if (!contact) throw new Error(UNKNOWN_KEY);
  const ik = crypto.b64uDecode(contact.ik, 32);
  return asDeleted({ ik, fp: await crypto.fingerprint(ik), name: contact.name });
}

const asDeleted = (partner) => ({ ...partner, name: `${partner.name} (deleted account)` });

// Show the name that they signed, whatever the server calls them.
export function showPartner(thread, { name, ik }, hasLeft) {
  thread.partnerName = name;
  showAvatar(thread.querySelector(".avatar"), name, crypto.b64uEncode(ik));
  showHead(thread);
  thread.querySelector(".left").hidden = !hasLeft;
  thread.querySelector(".trust").hidden = hasLeft;
  thread.querySelector("message-composer").close(hasLeft);
  showEmpty(thread);
}

// What stands there until something is said.
export function showEmpty(thread) {
  const { partnerName: name, contact } = thread;
  if (!name) return;
  const isVerified = !thread.isAlarmed && !["", "link"].includes(contact.known?.verified ?? "");
  const empty = thread.querySelector(".empty");
  empty.textContent = isVerified ? `No messages yet. Say hello: only ${name} and you can read it.`
    : `No messages yet. Until you verify ${name}, you cannot be sure who reads what you write.`;
  empty.hidden = false;
}

// The list says that the other person has deleted their account.
export async function showLeft(thread) {
  const { partner } = await thread.ready;
  if (thread.querySelector(".left").hidden) showPartner(thread, asDeleted(partner), true);
}
