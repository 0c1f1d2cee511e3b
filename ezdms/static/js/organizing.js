// Organizing conversations. What the user makes of one stands in the vault (docs/protocol.md, More in the vault), for
// all their devices, and nothing that the server says about it is drawn. It learns only what it must.

import { renewList, setNote } from "./conversation-list.js";
import { onPress, showAlert } from "./dom.js";
import { forgetDrafts, loadContact, loadOutbox } from "./keystore.js";
import { leaveForGood } from "./navigate.js";
import { readCleared } from "./remembered.js";
import { postForm } from "./server.js";
import { changeContact } from "./vault.js";
import { say, sentenceOf } from "./words.js";

// Delete the conversation of this thread: first in the vault, so that nothing that is here now is shown any more,
// whatever the server does. Then the server empties the user's copies. Throws if something waits to be sent, or if the
// server cannot be reached.
export async function deleteConversation(thread) {
  const { conversation } = thread;
  if ((await loadOutbox(conversation)).length) throw new Error(say("delete-waiting"));
  if (thread.judge) await thread.catchUp(Infinity);
  const seen = thread.judge?.seen ?? { own: null, theirs: null };
  const highest = (known) => (side, i) =>
    Math.max(readCleared(known.cleared)[i], known[side]?.[0] ?? 0, seen[side]?.[0] ?? 0);
  const clear = (known) => ({ cleared: ["own", "theirs"].map(highest(known)) });
  if (await loadContact(conversation)) await changeContact(conversation, clear); // a request is in no vault
  await postForm(`/conversations/${conversation}/delete`);
  await forgetDrafts(conversation);
  leaveForGood(thread);
  setNote(conversation, { draft: "", unsent: undefined });
  await renewList().catch(() => {}); // with the next connection
}

// What the menu of a conversation offers (conversation-options.js).
export const ORGANIZING = {
  "delete-conversation": {
    run: (thread, options) => { options.openSheet("deletion").querySelector(".timed").hidden = !thread.timer; },
  },
};

// Once for each conversation: what its dialogs do.
export function prepareOrganizing(options) {
  const sheet = options.querySelector(".deletion");
  onPress(sheet.querySelector("[data-do=delete]"), async ({ target }) => {
    showAlert(sheet);
    target.disabled = true;
    await deleteConversation(options.thread).catch((error) => showAlert(sheet, sentenceOf(error)));
    target.disabled = false;
  });
}
