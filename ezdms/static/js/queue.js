// Sends the unsent messages of all conversations from whichever page is open. Each conversation is loaded for that, but
// not shown.

import { setNote } from "./conversation-list.js";
import { loadQueue } from "./keystore.js";
import { isLoaded, sending, threadOf } from "./navigate.js";

const AGAIN = 10000; // ms
const AT_ONCE = 4; // conversations

let noted = []; // conversations
let round = null; // being sent

async function sendAll() {
  const queue = await loadQueue();
  for (const conversation of noted) if (!queue.has(conversation)) setNote(conversation, { unsent: undefined });
  for (const [conversation, unsent] of queue) if (!isLoaded(conversation)) setNote(conversation, { unsent });
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
