// The logged-in account, its session, and logging out.

import { b64uDecode, b64uEncode, openVault, sealVault, searchPin } from "./crypto.js";
import { clearTab, ofPlace, PLACE } from "./first.js";
import {
  accounts, choosePlace, forgetEverything, loadAccount, loadAway, loadRest, putBack, remember, remembered,
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
