// Whom a conversation is with, by the keys that they signed, or that were known before they left.

import * as crypto from "./crypto.js";

const OTHER_KEY = "The server shows another key for this person. Nothing is sent. "
  + "Ask them for their Search PIN by another way.";
const UNKNOWN_KEY = "This person left before this browser knew their key: nothing can be verified.";

// {ik, fp, name} and, unless they left, {spki, pin, …} of their statement. `facts` are the server's word: that this
// is the conversation of these two keys is worked out here. `contact` is what this browser knows, if anything.
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

// Deleted account has no statement any more: what they wrote is judged by the key that was pinned.
async function byMemory(contact) {
  if (!contact) throw new Error(UNKNOWN_KEY);
  const ik = crypto.b64uDecode(contact.ik, 32);
  return { ik, fp: await crypto.fingerprint(ik), name: `${contact.name} (left)` };
}
