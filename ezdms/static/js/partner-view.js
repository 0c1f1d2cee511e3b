// Shows in a conversation whom it is with.

import { showAvatar, showHead } from "./conversation-list.js";
import { b64uEncode } from "./crypto.js";
import { asDeleted } from "./partner.js";

// Show the name that they signed, whatever the server calls them.
export function showPartner(thread, { name, ik }, hasLeft) {
  thread.partnerName = name;
  showAvatar(thread.querySelector(".avatar"), name, b64uEncode(ik));
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
