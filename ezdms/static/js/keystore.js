// What this browser stores in IndexedDB until logout: keys (non-extractable), contacts, drafts, unsent messages.

import { showPageAlert } from "./dom.js";
import { accounts, choosePlace, ofPlace, remember, remembered } from "./first.js";
import { say } from "./words.js";

export { accounts, choosePlace, remember, remembered };

// An id for this tab: the same after a reload or a crash. A duplicated tab has a copy of it, and gets another one.

const KEY = "ezdms-tab";
const BUSY = 500; // ms; the page before a reload may still have it

// A lock shows that the tab is open.
const hold = (id) => new Promise((resolve) => {
  navigator.locks.request(`${KEY} ${id}`, { signal: AbortSignal.timeout(BUSY) }, () => {
    resolve(true);
    return new Promise(() => {});
  }).catch(() => resolve(false));
});

async function take() {
  const known = sessionStorage.getItem(KEY);
  if (known && await hold(known)) return known;
  const id = globalThis.crypto.randomUUID();
  sessionStorage.setItem(KEY, id);
  await hold(id);
  return id;
}

let taken;
export const thisTab = () => (taken ??= take());

export async function openTabs() {
  const { held } = await navigator.locks.query();
  return new Set(held.map(({ name }) => name.replace(`${KEY} `, "")));
}

const MOST_DRAFTS = 20; // left behind in one conversation; the oldest are deleted

const STORES = { account: {}, contacts: {}, drafts: {}, outbox: { autoIncrement: true }, files: {}, index: {} };
const REST = ["contacts", "drafts", "outbox"];
let opened;

// Every page says so in the same words.
export const tellLost = () => showPageAlert(say("storage-lost"), [say("log-in").replace(" ", "\u00a0"), "/"]);

function open() {
  const end = () => { opened = undefined; };
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(ofPlace("ezdms"), 4);
    request.onupgradeneeded = ({ oldVersion, target: { result } }) => {
      if (oldVersion < 2) for (const name of result.objectStoreNames) result.deleteObjectStore(name);
      const missing = Object.entries(STORES).filter(([name]) => !result.objectStoreNames.contains(name));
      for (const [name, options] of missing) result.createObjectStore(name, options);
    };
    request.onsuccess = () => {
      const database = request.result;
      database.onclose = () => { // the browser has deleted it
        end();
        tellLost();
      };
      database.onversionchange = ({ newVersion }) => {
        database.close();
        end();
        if (newVersion) showPageAlert(say("updated"));
        else tellLost();
      };
      resolve(database);
    };
    request.onerror = () => reject(request.error);
  });
  opened.catch(end); // opened again at the next use
  return opened;
}

open().catch(() => {}); // errors surface on use

// Ask the browser, once, not to delete all this by itself. Never awaited: Firefox asks the user.
export function keepStorage() {
  if (remembered("kept")) return;
  remember("kept", "asked");
  navigator.storage?.persist?.().catch(() => {});
}

// Run requests on one or several stores: `ask` gets the stores, and returns the request or requests to wait for.
export async function run(names, mode, ask) {
  return attempt(names, mode, ask).catch(() => {
    tellLost();
    throw new Error(say("storage-lost"));
  });
}

// `isWhole`: there will be no more requests, so that it completes even if the page is closed now.
export async function attempt(names, mode, ask, isWhole = true) {
  const transaction = (await open()).transaction(names, mode);
  const asked = ask(...[names].flat().map((name) => transaction.objectStore(name)));
  if (isWhole) transaction.commit();
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(Array.isArray(asked) ? asked.map(({ result }) => result) : asked.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}
const entries = (store) => [store.getAllKeys(), store.getAll()];

// {user_id, username, search_salt, login, ik, spki, fp, sig, enc}: sig and enc are non-extractable CryptoKeys. `login`
// is another one after each login.
export const loadAccount = () => run("account", "readonly", (store) => store.get("me"));

// Of someone whose session has ended: {ik, sealed}, everything else, encrypted to their keys (session.js).
export const loadAway = () => run("account", "readonly", (store) => store.get("away"));

// A different key is a different person: the previous user's contacts and unsent messages are deleted. With the same
// key everything is kept, whatever the server calls the user.
export async function saveAccount(account) {
  const known = [await loadAccount(), await loadAway()];
  if (!known.some((one) => String(one?.ik) === String(account.ik))) await forgetEverything();
  await run("account", "readwrite", (store) =>
    store.put({ ...account, login: globalThis.crypto.randomUUID() }, "me"));
  choosePlace();
}

// Contacts by conversation (see vault.js), and their state relative to the stored vault: {version, isDirty, more,
// noted}. `more`: other members of the vault. `noted`: when this browser last recorded its build.
export const loadContact = (conversation) => run("contacts", "readonly", (store) => store.get(conversation));
export const saveContact = (conversation, contact) =>
  run("contacts", "readwrite", (store) => store.put(contact, conversation));
export async function loadContacts() {
  const [keys, contacts] = await run("contacts", "readonly", entries);
  return Object.fromEntries(contacts.map((contact, i) => [keys[i], contact]));
}
export const loadVaultState = async () =>
  (await run("account", "readonly", (store) => store.get("vault"))) ?? { version: 0, isDirty: false, more: {} };
export const saveVaultState = (state) => run("account", "readwrite", (store) => store.put(state, "vault"));

// The drafts of a conversation: each tab has its own, [conversation, tab] → {text, reply, at}. `reply`: [id, hash] of
// the message that it answers, or null. A tab without one takes over the latest that another tab left behind, so that
// none is lost. Undefined if there is none.
export async function loadDraft(conversation) {
  const tab = await thisTab();
  const [keys, drafts] = await run("drafts", "readonly", entries);
  const found = keys.map(([where, from], i) => ({ ...drafts[i], where, from }))
    .filter(({ where }) => where === conversation);
  const own = found.find(({ from }) => from === tab);
  if (own) return own;
  const open = await openTabs();
  const left = found.filter(({ from }) => !open.has(from)).sort((one, other) => other.at - one.at);
  await run("drafts", "readwrite", (store) => [
    ...left.slice(0, 1).map(({ text, reply, at }) => store.put({ text, reply, at }, [conversation, tab])),
    ...[...left.slice(0, 1), ...left.slice(MOST_DRAFTS)].map(({ from }) => store.delete([conversation, from])),
  ]);
  return left[0];
}
// [conversation, text] of all drafts, the latest last.
export async function loadDrafts() {
  const [keys, drafts] = await run("drafts", "readonly", entries);
  const found = drafts.map(({ text, at }, i) => [keys[i][0], text, at]);
  return found.sort(([, , one], [, , other]) => one - other);
}
// Those of all tabs.
export async function forgetDrafts(conversation) {
  const [keys] = await run("drafts", "readonly", entries);
  const found = keys.filter(([where]) => where === conversation);
  await run("drafts", "readwrite", (store) => found.map((key) => store.delete(key)));
}
export async function saveDraft(conversation, text, reply) {
  const key = [conversation, await thisTab()];
  const draft = { text, reply, at: Date.now() };
  await run("drafts", "readwrite", (store) => (text || reply ? store.put(draft, key) : store.delete(key)));
}

const TEXT = { kind: "text", reference: null, x: 0 }; // an older version stored only texts
// Unsent messages of a conversation in the order they were written, each with its key.
export async function loadOutbox(conversation) {
  const [keys, items] = await run("outbox", "readonly", entries);
  const found = items.map((item, i) => ({ ...TEXT, ...item, key: keys[i] }));
  return found.filter((item) => item.conversation === conversation);
}
// What the server is told beside messages, and told again until it answers: that a message was removed from one's own
// sight, that a request is accepted, and that its sender is blocked.
export const isQuiet = ({ kind }) => ["hide", "accept", "block"].includes(kind);
// One tab at a time.
export const inOutbox = (conversation, work, options = {}) =>
  navigator.locks.request(ofPlace(`ezdms-outbox ${conversation}`), options, work);
// By conversation: its last unsent message. Others come last only if no message is unsent.
export async function loadQueue() {
  const items = await run("outbox", "readonly", (store) => store.getAll());
  const sorted = [...items.filter(isQuiet), ...items.filter((item) => !isQuiet(item))];
  return new Map(sorted.map((item) => [item.conversation, { ...TEXT, ...item }]));
}
// Add messages of a conversation, all or none. They get their keys. `isDraft`: they replace this tab's draft.
export async function addToOutbox(items, isDraft = true) {
  const draft = [items[0].conversation, await thisTab()];
  const keys = await run(["drafts", "outbox"], "readwrite", (drafts, outbox) => {
    if (isDraft) drafts.delete(draft);
    return items.map((item) => outbox.add(item));
  });
  items.forEach((item, i) => { item.key = keys[i]; });
}
export const updateOutbox = ({ key, ...item }) => run("outbox", "readwrite", (store) => store.put(item, key));
export const removeFromOutbox = (key, file) => run(["outbox", "files"], "readwrite", (outbox, files) =>
  [outbox.delete(key), ...(file ? [files.delete(IDBKeyRange.bound([file.kept], [file.kept, []]))] : [])]);

// The search index, if the user wants one (session.js): its "key", {id, key}, and what was verified, each message
// sealed: [conversation, seq, message_id] → {iv, sealed}.
export const loadIndexKey = () => attempt("index", "readonly", (store) => store.get("key"));
export const saveIndexKey = (key) => run("index", "readwrite", (store) => [store.clear(), store.put(key, "key")]);
export const clearIndex = () => run("index", "readwrite", (store) => store.clear());
// [keys, values] of at most `count` messages of a conversation from the key `from` on.
export const loadIndex = ([conversation, ...from], count) => attempt("index", "readonly", (store) => {
  const range = IDBKeyRange.bound([conversation, ...from], [conversation, []]);
  return [store.getAllKeys(range, count), store.getAll(range, count)];
});
// Store [key, value] each, unless the index was turned off or begun anew since this key was read.
export const addToIndex = ({ id }, entries) => attempt("index", "readwrite", (store) => {
  const known = store.get("key");
  known.onsuccess = () => known.result?.id === id && entries.forEach(([key, value]) => store.put(value, key));
  return known;
}, false);
// Forget the messages of a conversation up to a seq, or of all conversations.
export const cutIndex = (conversation = "", seq = Infinity) => attempt("index", "readwrite", (store) => store.delete(
  conversation ? IDBKeyRange.bound([conversation], [conversation, seq, []]) : IDBKeyRange.lowerBound([])));

// Everything but the account: for each store its keys and values, and the vault state.
export async function loadRest() {
  const found = await run(REST, "readonly", (...stores) => stores.flatMap(entries));
  const rest = Object.fromEntries(REST.map((name, i) => [name, [found[2 * i], found[2 * i + 1]]]));
  return { ...rest, state: await loadVaultState() };
}
export const putBack = (rest) => run(["account", ...REST], "readwrite", (account, ...stores) => [
  account.put(rest.state, "vault"), account.delete("away"), ...stores.flatMap((store) => {
    const [keys, values] = rest[store.name] ?? [[], []];
    return values.map((value, i) => store.put(value, keys[i]));
  }),
]);

// Nobody is logged in at this other place: delete what is kept there.
export async function forgetPlace(place) {
  if (accounts().find((one) => one.place === place)?.name) return;
  const request = indexedDB.deleteDatabase(ofPlace("ezdms", place));
  await new Promise((resolve) => { request.onsuccess = request.onerror = resolve; });
  for (const name of ["name", "used", "kept", "notifications"]) remember(name, "", place);
}

// Keeps only `away`, if given, and then the sealed files, whose keys are in it.
export const forgetEverything = (away) => run(Object.keys(STORES), "readwrite", (...stores) =>
  [...stores.filter(({ name }) => !away || name !== "files").map((store) => store.clear()),
    ...(away ? [stores[0].put(away, "away")] : [])]);
