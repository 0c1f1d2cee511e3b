// The logged-in account, its session, and logging out.

import { forgetEverything, loadAccount } from "./keystore.js";
import { getJson, isB64u, isId, isNumber } from "./server.js";
import { searchPin, b64uDecode } from "./crypto.js";

export const account = loadAccount(); // resolves to undefined if nobody is logged in
account.catch(() => {});

// The server's data about the session: {user_id, search_salt, vault_version}. Fetched once, or `anew`.
let standing;
export function getStanding(anew = false) {
  if (anew) standing = undefined;
  standing ??= getJson("/me", { user_id: isId, search_salt: isB64u, vault_version: isNumber });
  standing.catch(() => { standing = undefined; });
  return standing;
}

// The user's Search PIN. Computed here, so that it commits to their key whatever the server says.
export async function ownSearchPin(me, searchSalt) {
  return searchPin(me.ik, b64uDecode(searchSalt, 16));
}

// At logout, delete keys, contacts, drafts and unsent messages from this browser.
export let hasLeft = false;
export async function leave() {
  hasLeft = true;
  await forgetEverything();
  sessionStorage.clear();
  location.assign("/");
}
