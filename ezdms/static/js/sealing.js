// Seals an unsent message: finds what it must carry, and what the server must be told beside it. Also tells the server
// what is no message, and signs marks.

import { isStale, nextE, refusal, targetOf } from "./changes.js";
import * as crypto from "./crypto.js";
import { isPassing, postForm, ServerError } from "./server.js";
import { account } from "./session.js";
import { say } from "./words.js";

const refuse = (sentence) => { throw new ServerError(422, null, sentence); };

// The row that a change is about, with everything loaded from it on. Throws if the message is gone.
async function find(thread, kind, target) {
  await thread.loadUntil(() => thread.rowAbout(target));
  const row = thread.rowAbout(target);
  const { isOwn, shown, at } = row ?? refuse(say("unsent-no-target"));
  const now = kind === "edit" ? at : Date.now(); // it was typed within the 24 hours
  const why = refusal(kind, shown, { isOwn, createdAt: at, now });
  return why ? refuse(say(`refused-${why}`)) : row;
}

// Its lifetime (s). An edited text was emptied: its edit has the same.
function lifetimeOf({ fact, shown }, facts) {
  return fact.kind ? fact.x : facts.find(({ side, id }) => side === fact.side && id === shown.by).x;
}

// The fields that the body of this message must have beside its content.
async function bodyOf(thread, { kind, text, reference }) {
  const target = targetOf({ kind, text, reference });
  if (kind === "timer") return { x: 0, e: null };
  if (!target) {
    await thread.loadUntil(() => thread.knowsTimer).catch(() => {}); // offline, what is known counts
    return { x: thread.timer, e: null };
  }
  const row = await find(thread, kind, target);
  const e = crypto.CHANGES.includes(kind) ? await nextE(thread.facts, row.fact.side, target) : null;
  return { x: kind === "delete" ? 0 : lifetimeOf(row, thread.facts), e };
}

// Seal an item of the outbox (outbox.js) as the user's next message: sets its `sealed`, `x` and, if it is too old for a
// message that disappears, `ts`. It was never tried, or refused. Throws.
export async function seal(thread, item) {
  const { me, partner } = await thread.ready;
  const { kind, text, reference } = item;
  const { x, e } = await bodyOf(thread, { kind, text, reference });
  if (isStale(x, item.ts, Date.now())) item.ts = Date.now();
  const { next: [n, p], acknowledged: a } = thread.judge;
  const place = { n, p, a, ts: item.ts, id: crypto.b64uDecode(item.message_id, 16) };
  const sealed = await crypto.sealMessage(me, partner, { ...place, x, kind, text, reference, e });
  const { hash, suite, content_for_a, content_for_b } = sealed;
  const replaces = e === null ? {} : { replaces: targetOf({ kind, text, reference })[0] };
  item.x = x;
  item.sealed = { n, hash, suite, content_for_a, content_for_b, ...(x ? { expires_in: x } : {}), ...replaces };
}

// Have the server empty the user's own copy of a message, and keep their mark in its place.
async function sendMark({ conversation, reference: [message_id, hash] }, contact) {
  contact.hide(message_id).catch(() => {}); // a reload may have come before that was remembered
  const mark = await crypto.signMark(await account, conversation, message_id, hash);
  await postForm("/hide_message", { conversation_id: conversation, message_id, mark });
}

// Tell the server what is no message (outbox.js). True if it did that, or refused, which `tell` is told: on the user's
// devices it holds all the same.
export async function tellServer(item, contact, tell) {
  const { conversation, kind } = item;
  const tellings = {
    hide: () => sendMark(item, contact),
    accept: () => postForm(`/conversations/${conversation}/accept`),
    block: () => postForm(`/conversations/${conversation}/block`),
  };
  return tellings[kind]().then(() => true, (error) => {
    if (isPassing(error)) return false;
    tell(kind === "hide" ? say("unsent-copy-kept") : say("decision-refused"));
    return true;
  });
}
