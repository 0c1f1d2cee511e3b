// Who is logged in at this page, and what is left when they are not.

import { forgetEverything, loadAccount } from "./keystore.js";
import { getJson, isB64u, isId, isNumber } from "./server.js";
import { searchPin, b64uDecode } from "./crypto.js";

export const account = loadAccount(); // resolves to undefined if nobody is
account.catch(() => {});

// What the server says of the session: {user_id, search_salt, vault_version}. Asked for once, or `anew`.
let standing;
export function getStanding(anew = false) {
  if (anew) standing = undefined;
  standing ??= getJson("/me", { user_id: isId, search_salt: isB64u, vault_version: isNumber });
  standing.catch(() => { standing = undefined; });
  return standing;
}

// One's own Search PIN. Computed here: it commits to one's own key whatever the server says.
export async function ownSearchPin(me, searchSalt) {
  return searchPin(me.ik, b64uDecode(searchSalt, 16));
}

// Gone at logout: the session on the server, and here keys, contacts, drafts and unsent messages.
export async function leave() {
  await forgetEverything();
  sessionStorage.clear();
  location.assign("/");
}
