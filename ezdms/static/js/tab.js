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
