// Avatars: the first letter of a name, in a color that depends on the person's key, so that two people with one name
// rarely look the same. It proves nothing: there are twelve colors.

import { b64uDecode } from "./crypto.js";

const HUES = 12; // in session.css

// `ik`: the identity key of someone whose name was verified, as b64u; otherwise undefined, and the avatar is gray.
export function showAvatar(element, name, ik) {
  element.textContent = name?.match(/[a-z0-9]/i)?.[0] ?? "–";
  if (ik) element.dataset.hue = b64uDecode(ik, 32)[0] % HUES;
  else delete element.dataset.hue;
}
