// The vault (docs/protocol.md): contacts as all browsers of one person know them, sealed to oneself. Each browser keeps
// a copy; the server keeps one blob by compare-and-set. A contact is {ik, seq, hash, suite} (its pin), `name`,
// `verified` (as in RANKS), `own` and `theirs` ([n, hash] of the last message seen, or null)
// and `accepted`: the alarms after which the person went on.

import { setName } from "./conversation-list.js";
import { openVault, ProtocolError, sealVault } from "./crypto.js";
import { loadAccount, loadContact, loadContacts, loadVaultState, saveContact, saveVaultState } from "./keystore.js";
import { getJson, isNumber, isText, postForm } from "./server.js";

const inTurn = (work) => navigator.locks.request("ezdms-vault", work); // one tab at a time
// How somebody was verified: the higher wins. A link that anybody can have made is the least.
const RANKS = ["", "link", "search-pin", "safety-number"];
export const stronger = (one, other) => (RANKS.indexOf(other) > RANKS.indexOf(one) ? other : one);
const isVersion = (value) => isNumber(value) && value < 2 ** 52; // nobody could go on after what is said above that
const later = (mine, theirs) => (theirs && (!mine || theirs[0] > mine[0]) ? theirs : mine);

// What two browsers know of one contact, without losing what either knows.
function merge(mine, theirs) {
  if (!mine) return theirs;
  return {
    ...(theirs.seq > mine.seq ? theirs : mine),
    verified: stronger(mine.verified, theirs.verified),
    own: later(mine.own, theirs.own),
    theirs: later(mine.theirs, theirs.theirs),
    accepted: [...new Set([...mine.accepted, ...theirs.accepted])],
  };
}

const alarm = (sentence) => { throw new ProtocolError("alarm", sentence); };

// Fetch the stored vault and learn what is new in it. Returns its version.
async function pull(me, known) {
  const { version, blob } = await getJson("/vault", { version: isVersion, blob: isText });
  if (version < known) alarm("The server shows an older list of your contacts than before.");
  if (version === 0) return 0;
  const vault = await openVault(me, blob).catch(() => null);
  if (vault?.version !== version) alarm("The server shows a list of contacts that is not yours.");
  for (const [conversation, contact] of Object.entries(vault.contacts)) {
    await saveContact(conversation, merge(await loadContact(conversation), contact));
  }
  return version;
}

// Store what this browser knows as the version after `version`.
async function store(me, version) {
  const vault = { version: version + 1, contacts: await loadContacts() };
  await postForm("/vault", { version: vault.version, blob: await sealVault(me, vault) }, null, "PUT");
  await saveVaultState({ version: vault.version, isDirty: false });
}

// The same; if another browser was quicker, learn from it first. So often at most: a server could say that for ever.
const MOST_TRIES = 5;
async function push(me, version) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await store(me, version);
    } catch (error) {
      if (error.code !== "version" || tries === MOST_TRIES) throw error; // later, with the next change
      version = await pull(me, version);
    }
  }
}

// Learn what the stored vault says, unless it has the version that is known, and store what it lacks. Throws "alarm".
export async function syncVault(stored) {
  const isKnown = ({ version, isDirty }) => stored === version && !isDirty;
  if (isKnown(await loadVaultState())) return;
  await inTurn(async () => {
    const [me, state] = [await loadAccount(), await loadVaultState()];
    if (!me || isKnown(state)) return; // logged out, or another tab was quicker
    const pulled = await pull(me, state.version);
    await saveVaultState({ version: pulled, isDirty: state.isDirty });
    if (state.isDirty) await push(me, pulled);
  });
}

// After an alarm, and once the person said so: what this browser knows takes the place of what the server showed.
export const overwriteVault = () => inTurn(async () => {
  const { version } = await getJson("/vault", { version: isVersion });
  await store(await loadAccount(), version);
});

// Change what is known of a contact: here at once, in the vault as soon as the server can be reached.
export const changeContact = (conversation, change) => inTurn(async () => {
  const me = await loadAccount();
  if (!me) return; // logged out meanwhile: nothing is kept any more
  const known = (await loadContact(conversation))
    ?? { seq: 0, name: "", verified: "", own: null, theirs: null, accepted: [] };
  const changed = { ...known, ...change(known) };
  for (const side of ["own", "theirs"]) changed[side] = later(known[side], changed[side]); // another tab may be further
  if (JSON.stringify(changed) === JSON.stringify(known)) return;
  await saveContact(conversation, changed);
  setName(conversation, changed.name);
  const { version } = await loadVaultState();
  await saveVaultState({ version, isDirty: true });
  await push(me, version).catch(() => {}); // later, by syncVault, which also raises the alarm
});
