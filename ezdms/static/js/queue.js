// Sends the unsent messages of all conversations from whichever page is open. Each conversation is loaded for that, but
// not shown.

import { setNote } from "./conversation-list.js";
import { loadQueue } from "./keystore.js";
import { isLoaded, threadOf } from "./navigate.js";

const AGAIN = 10000; // ms

let noted = []; // conversations

async function sendAll() {
  const queue = await loadQueue();
  for (const conversation of noted) if (!queue.has(conversation)) setNote(conversation, { unsent: undefined });
  for (const [conversation, unsent] of queue) {
    if (!isLoaded(conversation)) setNote(conversation, { unsent });
    threadOf(conversation).send();
  }
  noted = [...queue.keys()];
}

// Whatever the browser says about the connection: it only knows about the next network, and may be wrong.
export const sendQueued = () => sendAll().catch(() => {}); // again with the next round

export function keepSending() {
  sendQueued();
  setInterval(sendQueued, AGAIN);
  addEventListener("online", sendQueued);
}
