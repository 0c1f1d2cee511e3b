// The logged-in account, its session, and logging out; and the search index, which this browser keeps until then.

import { b64uDecode, b64uEncode, openVault, sealVault, searchPin } from "./crypto.js";
import { clearTab, ofPlace, PLACE } from "./first.js";
import {
  accounts, addToIndex, choosePlace, clearIndex, cutIndex, forgetEverything, loadAccount, loadAway, loadIndex,
  loadIndexKey, loadRest, putBack, remember, remembered, saveIndexKey,
} from "./keystore.js";
import { getJson, isB64u, isId, isNumber } from "./server.js";

export const account = loadAccount(); // resolves to undefined if nobody is logged in
account.catch(() => {});

// The server's data about the session: {user_id, search_salt, vault_version}. Fetched once, or `anew`.
let standing;
export function getStanding(anew = false) {
  if (anew) standing = undefined;
  standing ??= getJson("/me", { user_id: isId, search_salt: isB64u, vault_version: isNumber });
  standing.then(() => remember("used", `${Date.now()}`), () => { standing = undefined; });
  return standing;
}

// The user's Search PIN. Computed here, so that it commits to their key whatever the server says.
export async function ownSearchPin(me, searchSalt) {
  return searchPin(me.ik, b64uDecode(searchSalt, 16));
}

// Pages of this browser's other accounts show whose place this is: key and name, or that something of someone is kept.
export async function noteAccount(me) {
  remember("name", me ? `${b64uEncode(me.ik)} ${me.username}` : await loadAway() && "-");
}

const inTurn = (work) => navigator.locks.request(ofPlace("ezdms-leave"), work); // one tab at a time
const WHY = "ezdms-left"; // why this tab was left: a name, for the front page

// The other tabs of this browser must not keep anything either.
const others = new BroadcastChannel(ofPlace("ezdms-leave"));
others.onmessage = ({ data: why }) => account.then((me) => me && !hasLeft && leave(why), () => {});

export let hasLeft = false; // nothing more is kept for the user
function note(why) {
  if (!hasLeft) others.postMessage(why);
  hasLeft = true;
  if (sessionStorage.getItem(WHY)) return;
  clearTab();
  sessionStorage.setItem(WHY, why);
  remember("used", "");
}

// The user logs out, or deletes the account: tell the server, and erase everything in this browser.
let isErasing = false; // the server closes this tab's socket before it answers
export async function eraseAndLeave(why, tell) {
  isErasing = true;
  try {
    await tell();
  } catch (error) {
    isErasing = false;
    throw error;
  }
  await inTurn(() => forgetEverything());
  remember("kept", "");
  await noteAccount();
  const isLast = remembered("place") === (PLACE ? `${PLACE}` : "");
  if (isLast) choosePlace(accounts().find(({ name }) => name)?.place ?? 0);
  note(why);
  location.assign("/");
}

// The session has ended, or so the server says. The keys are deleted. What the user would lose (drafts, unsent
// messages, what is known about contacts) is first encrypted to them, so that only the Login PIN brings it back.
export async function endSession(why) {
  await inTurn(async () => {
    const [me, mine] = [await loadAccount(), await account];
    if (me?.login !== mine?.login || !me) return; // erased, or another tab was faster, or they are back already
    const { contacts, ...words } = await loadRest();
    const seal = (rest) => sealVault(me, { version: 1, ...rest });
    const sealed = await seal({ contacts, ...words }).catch(() => seal(words)); // contacts are also in the vault
    await forgetEverything({ ik: me.ik, sealed });
    await noteAccount();
  });
  note(why);
}

export async function leave(why) {
  if (isErasing) return;
  await endSession(why || "ended").catch(() => {}); // nothing can be stored: the page has said so
  location.assign("/");
}

// The same person has logged in again.
export async function comeBack(me) {
  const away = await loadAway();
  if (away) await putBack(await openVault(me, away.sealed));
}

// Why the user is not logged in, if this tab knows.
const LIFETIME = 90 * 24 * 3600000; // ms that a session lasts without being used
export const whyEnded = () => (Date.now() - Number(remembered("used") || Infinity) > LIFETIME ? "expired" : "ended");
export function whyLeft(me) {
  try {
    if (me) sessionStorage.removeItem(WHY);
    return sessionStorage.getItem(WHY) ?? "";
  } catch {
    return "";
  }
}

// ---- The search index ----

// If the user wants it, what a search has opened and verified stays here for the next visit, each message sealed under
// a key that no script can export. It is part of what logging out, or the end of the session, deletes.

const AT_ONCE = 200; // messages
const SEALED = "ezdms index 1"; // one of another form does not open
const GCM = { name: "AES-GCM", length: 256 };

// For whom, and as which message of which conversation, it is sealed. `key`: [conversation, seq, message_id].
const boundTo = (me, key, iv) => ({
  ...GCM, iv, additionalData: new TextEncoder().encode(JSON.stringify([SEALED, b64uEncode(me.ik), ...key])),
});

let found; // {id, key}; null: there is no index, or it cannot be used
export const searchIndex = () => (found ??= loadIndexKey().then((known) => known ?? null, () => null));

// Turn it on, empty, or off, which deletes it.
export async function useSearchIndex(isOn) {
  const { subtle } = globalThis.crypto;
  const key = isOn && await subtle.generateKey(GCM, false, ["encrypt", "decrypt"]);
  await (isOn ? saveIndexKey({ id: globalThis.crypto.randomUUID(), key }) : clearIndex());
}

// Forget the messages of a conversation, up to a seq.
export const cutFromIndex = async (conversation, seq) => await searchIndex() && cutIndex(conversation, seq);

// What the index has of a conversation, [seq, kept] by rising seq without a gap. What does not open, since somebody
// changed or moved it, is dropped, and everything before it, too: the server is asked for that again.
export async function readIndex(conversation) {
  const [me, index, read] = [await account, await searchIndex(), []];
  if (!index) return read;
  const open = async ([, seq, id], { iv, sealed }) => [seq, JSON.parse(new TextDecoder().decode(
    await globalThis.crypto.subtle.decrypt(boundTo(me, [conversation, seq, id], iv), index.key, sealed)))];
  for (let next = 0; next >= 0;) {
    const [keys, values] = await loadIndex([conversation, next], AT_ONCE);
    read.push(...await Promise.all(values.map((value, i) => open(keys[i], value).catch(() => [keys[i][1], null]))));
    next = keys.length < AT_ONCE ? -1 : keys.at(-1)[1] + 1;
  }
  const isBroken = ([seq, kept], i) => kept === null || (i > 0 && read[i - 1][0] !== seq - 1);
  const at = read.findLastIndex(isBroken);
  if (at < 0) return read;
  const whole = read.slice(read[at][1] === null ? at + 1 : at);
  await cutIndex(conversation, (whole[0]?.[0] ?? Infinity) - 1);
  return whole;
}

// Add what was verified, [[seq, message_id], kept] each. If there is no room, the index goes, and search works without.
export async function addKept(conversation, all) {
  const [me, index] = [await account, await searchIndex()];
  if (!index) return;
  const entries = await Promise.all(all.map(async ([place, kept]) => {
    const [key, iv] = [[conversation, ...place], globalThis.crypto.getRandomValues(new Uint8Array(12))];
    const bytes = new TextEncoder().encode(JSON.stringify(kept));
    return [key, { iv, sealed: await globalThis.crypto.subtle.encrypt(boundTo(me, key, iv), index.key, bytes) }];
  }));
  await addToIndex(index, entries).catch(() => {
    found = null;
    return cutIndex().catch(() => {});
  });
}
