// Identifies the partner of a conversation, by their signed key statement, or by the known key of a deleted account.

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

export const asDeleted = (partner) => ({ ...partner, name: `${partner.name} (deleted account)` });
