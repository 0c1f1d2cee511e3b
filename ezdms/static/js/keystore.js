// What this browser keeps in IndexedDB until logout: one's keys (non-extractable), pinned contacts, unsent messages.

const STORES = { account: {}, contacts: {}, outbox: { autoIncrement: true } };
let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("ezdms", 1);
    request.onupgradeneeded = () => {
      for (const [name, options] of Object.entries(STORES)) request.result.createObjectStore(name, options);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function run(name, mode, ask) {
  const transaction = (await open()).transaction(name, mode);
  const request = ask(transaction.objectStore(name));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

// {user_id, username, ik, spki, fp, sig, enc}: sig and enc are CryptoKeys whose bytes no script can read.
export const loadAccount = () => run("account", "readonly", (store) => store.get("me"));

// Somebody else's contacts and unsent messages are not this account's: they go when the account changes.
export async function saveAccount(account) {
  if ((await loadAccount())?.user_id !== account.user_id) await forgetEverything();
  await run("account", "readwrite", (store) => store.put(account, "me"));
}

// {statement, verified}: the key statement pinned for a conversation; verified is "search-pin" or "".
export const loadContact = (conversation) => run("contacts", "readonly", (store) => store.get(conversation));
export const saveContact = (conversation, contact) =>
  run("contacts", "readwrite", (store) => store.put(contact, conversation));

// Unsent messages of a conversation in the order they were written, each with its key.
export async function loadOutbox(conversation) {
  const [keys, items] = await Promise.all([
    run("outbox", "readonly", (store) => store.getAllKeys()),
    run("outbox", "readonly", (store) => store.getAll()),
  ]);
  return items.map((item, i) => ({ ...item, key: keys[i] })).filter((item) => item.conversation === conversation);
}
export const addToOutbox = (item) => run("outbox", "readwrite", (store) => store.add(item));
export const updateOutbox = ({ key, ...item }) => run("outbox", "readwrite", (store) => store.put(item, key));
export const removeFromOutbox = (key) => run("outbox", "readwrite", (store) => store.delete(key));

export async function forgetEverything() {
  for (const name of Object.keys(STORES)) await run(name, "readwrite", (store) => store.clear());
}
