// The vault (docs/protocol.md): the user's contacts, synced between their devices and encrypted to themselves. Each
// browser keeps a copy; the server keeps one blob by compare-and-set. A contact is {ik, seq, hash, suite} (its pin),
// `name`, `verified` (as in RANKS), `own` and `theirs` ([n, hash] of the last message seen, or null) and `accepted`
// (alarms). Other members of the vault are kept (`more`), except `served`, which is merged: the builds that the server
// sent to the user's devices (served.js).

import { setContact } from "./conversation-list.js";
import { hashText, openVault, ProtocolError, sealVault } from "./crypto.js";
import { ofPlace } from "./first.js";
import { loadAccount, loadContact, loadContacts, loadVaultState, saveContact, saveVaultState } from "./keystore.js";
import { isNews, isTooSoon, latest, mergeRemembered, mergeServed, nextAt } from "./remembered.js";
import { getJson, isNumber, isText, onceMore, postForm } from "./server.js";
import { BUILD, HOST } from "./shell.js";

const inTurn = (work) => navigator.locks.request(ofPlace("ezdms-vault"), work); // one tab at a time
// How a contact was verified: the higher wins. A link, which anyone could have made, is the lowest.
const RANKS = ["", "link", "search-pin", "safety-number"];
export const stronger = (one, other) => (RANKS.indexOf(other) > RANKS.indexOf(one) ? other : one);
const isVersion = (value) => isNumber(value) && value < 2 ** 52; // no version could follow a higher one
export const later = (mine, theirs) => (theirs && (!mine || theirs[0] > mine[0]) ? theirs : mine);

// In `accepted`: the user continued although the server does not show this message any more.
export const rollback = (hash) => `rollback ${hash}`;

// In `accepted`: this is no longer one's own last message (Judge.letGo).
export const notLast = (hash) => `not last ${hash}`;
const keptOf = (own, accepted) => (own && accepted.includes(notLast(own[1])) ? null : own);

// Merge what two browsers know about a contact, without losing anything.
function merge(mine, theirs) {
  if (!mine) return { ...theirs, own: keptOf(theirs.own, theirs.accepted) };
  const accepted = [...new Set([...mine.accepted, ...theirs.accepted])];
  const { ik, seq, hash, suite, name } = theirs.seq > mine.seq ? theirs : mine;
  return {
    ...mine, ...theirs, // unknown members are kept, as stored
    ik, seq, hash, suite, name,
    verified: stronger(mine.verified, theirs.verified),
    own: later(keptOf(mine.own, accepted), keptOf(theirs.own, accepted)),
    theirs: later(mine.theirs, theirs.theirs),
    accepted,
    ...mergeRemembered(mine, theirs),
  };
}

const alarm = (name) => { throw new ProtocolError("alarm", name); };

// The other members of the vault: as stored, except those that can be merged.
function mergeMore(mine, theirs) {
  const settings = latest(mine?.settings, theirs.settings);
  return {
    ...theirs,
    ...((mine?.served || theirs.served) && { served: mergeServed(mine?.served, theirs.served) }),
    ...(settings && { settings }),
  };
}

// Fetch the stored vault and merge it. Returns the new vault state of this browser.
async function pull(me, state) {
  const { version, blob } = await getJson("/vault", { version: isVersion, blob: isText });
  if (version < state.version) alarm("older-list");
  if (version === 0) return { ...state, more: state.more ?? {} };
  const vault = await openVault(me, blob).catch(() => null);
  if (vault?.version !== version) alarm("other-list");
  const { version: _, contacts, ...more } = vault;
  for (const [conversation, contact] of Object.entries(contacts)) {
    const merged = merge(await loadContact(conversation), contact);
    await saveContact(conversation, merged);
    setContact(conversation, merged);
  }
  return { ...state, version, more: mergeMore(state.more, more) };
}

// Store what this browser knows, as the version after that of `state`.
async function store(me, state) {
  const version = state.version + 1;
  const vault = { ...state.more, version, contacts: await loadContacts() };
  await postForm("/vault", { version, blob: await sealVault(me, vault) }, null, "PUT");
  await saveState({ ...state, version, isDirty: false });
}

// Like store; if another browser was faster, merge its vault first. Limited, since a server could claim that forever.
const MOST_TRIES = 5;
async function push(me, known) {
  let state = known.more ? known : await pull(me, known); // state from an older version
  for (let tries = 1; ; tries += 1) {
    try {
      return await store(me, state);
    } catch (error) {
      if (error.code !== "version" || tries === MOST_TRIES) throw error; // later, with the next change
      state = await pull(me, state);
    }
  }
}

// Merge the stored vault, unless its version is known, and store what it lacks. Throws "alarm".
export async function syncVault(stored) {
  const isKnown = ({ version, isDirty, more }) => stored === version && !isDirty && more;
  if (isKnown(await loadVaultState())) return;
  await inTurn(async () => {
    const [me, state] = [await loadAccount(), await loadVaultState()];
    if (!me || isKnown(state)) return; // logged out, or another tab was faster
    const pulled = await pull(me, state);
    await saveState(pulled);
    if (state.isDirty) await push(me, pulled);
  });
}

// <vault-stored>: another tab or device has changed something. Only that the server says so is news: the vault must be
// one's own, and newer. A flood of claims costs one request in SOON.
const SOON = 300; // ms
const takers = [];
let claimed = 0; // the highest version that the server spoke of

const takeOver = onceMore(async () => {
  await new Promise((resolve) => { setTimeout(resolve, SOON); });
  if (claimed > (await loadVaultState()).version) await syncVault(claimed).catch(() => {}); // a conversation says why
  await readSettings();
  takers.forEach((heard) => heard());
});

// `heard()`: contacts may be stored that this tab has not read.
export function onVault(heard) { takers.push(heard); }

customElements.define("vault-stored", class extends HTMLElement {
  connectedCallback() {
    this.remove();
    claimed = Math.max(claimed, Number(this.dataset.version));
    takeOver().catch(() => {}); // logged out
  }
});

// Overwrite the server's vault with this browser's, after the user accepted an alarm.
export const overwriteVault = () => inTurn(async () => {
  const { version } = await getJson("/vault", { version: isVersion });
  await store(await loadAccount(), { ...await loadVaultState(), version });
});

// Change what is known about a contact: here at once, in the vault as soon as the server can be reached.
export const changeContact = (conversation, change) => inTurn(async () => {
  const me = await loadAccount();
  if (!me) return; // logged out in the meantime: store nothing
  const known = (await loadContact(conversation))
    ?? { seq: 0, name: "", verified: "", own: null, theirs: null, accepted: [] };
  const changed = { ...known, ...change(known) };
  const { accepted } = changed;
  changed.own = later(keptOf(known.own, accepted), keptOf(changed.own, accepted)); // another tab may be ahead
  changed.theirs = later(known.theirs, changed.theirs);
  if (!changed.ik || JSON.stringify(changed) === JSON.stringify(known)) return; // whoever is not pinned is no contact
  await saveContact(conversation, changed);
  setContact(conversation, changed);
  await keep(me, {});
});

// Change the vault state, and store the vault: now, or later by syncVault, which also raises the alarm.
async function keep(me, change) {
  const state = { ...await loadVaultState(), ...change, isDirty: true };
  await saveState(state);
  await push(me, state).catch(() => {});
}

// The settings that all of the user's devices share, {receipts, typing}: off until they are turned on. All tabs hear of
// a change at once.
const OFF = { receipts: false, typing: false };
const tabs = new BroadcastChannel(ofPlace("ezdms-settings"));
const listeners = [];
let settings = OFF;

async function readSettings() {
  const found = latest((await loadVaultState()).more?.settings, null) ?? OFF;
  const [receipts, typing] = [found.receipts === true, found.typing === true];
  if (receipts === settings.receipts && typing === settings.typing) return;
  settings = { receipts, typing };
  listeners.forEach((heard) => heard(settings));
}
tabs.onmessage = readSettings;

async function saveState(state) {
  await saveVaultState(state);
  const known = settings;
  await readSettings();
  if (settings !== known) tabs.postMessage(null);
}

export function onSettings(heard) {
  listeners.push(heard);
  heard(settings);
  readSettings().catch(() => {});
}

export const changeSettings = (change) => inTurn(async () => {
  const [me, known] = [await loadAccount(), await loadVaultState()];
  if (!me) return;
  const state = known.more ? known : await pull(me, known); // as in push
  const before = state.more.settings;
  const after = { ...latest(before, null), ...change, at: nextAt(before, Date.now()) };
  await keep(me, { ...state, more: { ...state.more, settings: after } });
});

// The build of this page, served when its document was requested.
const servedAt = Math.round(performance.timeOrigin);
export const ownBuild = async () =>
  ({ version: BUILD.version, digest: await hashText(BUILD.scripts), first: servedAt, last: servedAt });

// False for a page from the user's own machine (`ezdms open`) or the browser's cache, which was served earlier.
const [arrival] = performance.getEntriesByType("navigation");
export const isOpened = HOST.server !== location.origin; // by `ezdms open`, from the user's own machine
export const isServed = !isOpened && arrival?.transferSize > 0;

// Record it for the user's other devices: at most once an hour, and only if that is new information.
export async function noteServed(stored) {
  if (!isServed) return;
  const [build, now] = [await ownBuild(), Date.now()];
  const isDue = ({ more, noted = 0 }) => !isTooSoon(noted, now) && isNews(more?.served, build);
  if (!isDue(await loadVaultState())) return;
  await syncVault(stored); // another device may have recorded it
  await inTurn(async () => {
    const [me, state] = [await loadAccount(), await loadVaultState()];
    if (!me || !isDue(state)) return;
    await keep(me, { more: { ...state.more, served: mergeServed(state.more?.served, [build]) }, noted: now });
  });
}
