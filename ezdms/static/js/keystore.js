// What this browser stores in IndexedDB until logout: keys (non-extractable), contacts, drafts, unsent messages.

const STORES = { account: {}, contacts: {}, drafts: {}, outbox: { autoIncrement: true } };
let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("ezdms", 2);
    request.onupgradeneeded = () => {
      for (const name of request.result.objectStoreNames) request.result.deleteObjectStore(name);
      for (const [name, options] of Object.entries(STORES)) request.result.createObjectStore(name, options);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

open().catch(() => {}); // errors surface on use

// Run requests on one or several stores: `ask` gets the stores, and returns the request or requests to wait for.
async function run(names, mode, ask) {
  const transaction = (await open()).transaction(names, mode);
  const asked = ask(...[names].flat().map((name) => transaction.objectStore(name)));
  transaction.commit(); // no more requests: completes even if the page is closed now
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(Array.isArray(asked) ? asked.map(({ result }) => result) : asked.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}
const entries = (store) => [store.getAllKeys(), store.getAll()];

// {user_id, username, search_salt, ik, spki, fp, sig, enc}: sig and enc are non-extractable CryptoKeys.
export const loadAccount = () => run("account", "readonly", (store) => store.get("me"));

// A different key is a different person: the previous user's contacts and unsent messages are deleted. With the same
// key everything is kept, whatever the server calls the user.
export async function saveAccount(account) {
  if (String((await loadAccount())?.ik) !== String(account.ik)) await forgetEverything();
  await run("account", "readwrite", (store) => store.put(account, "me"));
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

// The draft of a conversation.
export const loadDraft = (conversation) => run("drafts", "readonly", (store) => store.get(conversation));
// [conversation, text] of all drafts.
export async function loadDrafts() {
  const [keys, drafts] = await run("drafts", "readonly", entries);
  return keys.map((key, i) => [[key].flat()[0], drafts[i].text ?? drafts[i]]);
}
export const saveDraft = (conversation, text) =>
  run("drafts", "readwrite", (store) => (text ? store.put(text, conversation) : store.delete(conversation)));

// Unsent messages of a conversation in the order they were written, each with its key.
export async function loadOutbox(conversation) {
  const [keys, items] = await run("outbox", "readonly", entries);
  return items.map((item, i) => ({ ...item, key: keys[i] })).filter((item) => item.conversation === conversation);
}
// Add messages of a conversation, all or none. They replace the draft, and get their keys.
export async function addToOutbox(items) {
  const keys = await run(["drafts", "outbox"], "readwrite", (drafts, outbox) => {
    drafts.delete(items[0].conversation);
    return items.map((item) => outbox.add(item));
  });
  items.forEach((item, i) => { item.key = keys[i]; });
}
export const updateOutbox = ({ key, ...item }) => run("outbox", "readwrite", (store) => store.put(item, key));
export const removeFromOutbox = (key) => run("outbox", "readwrite", (store) => store.delete(key));

export async function forgetEverything() {
  for (const name of Object.keys(STORES)) await run(name, "readwrite", (store) => store.clear());
}
