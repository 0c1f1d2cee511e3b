// Detects a Login PIN typed in the wrong place, from where it would leave this browser.

import { showAlert } from "./dom.js";
import { isSending } from "./keyboard.js";

// The whole text: groups with the same separator, or none, and at least one digit or dash. "unmistakable-name" and "see
// you at 8 tonight" also have sixteen letters.
const WHOLE = /^(?=.*[-\d])[0-9a-tv-z]{4}([-_ ]?)[0-9a-tv-z]{4}\1[0-9a-tv-z]{4}\1[0-9a-tv-z]{4}$/i;
// For usernames also text that contains a PIN or most of one: two or more groups of letters used in PINs
// (john_paul_jones has others), or a part in which letters follow a digit.
const AS_NAME = [
  WHOLE, /(?:[0-9a-z]{4}[-_]){3}[0-9a-z]{4}/i, /^[0-9a-hjkmnp-tv-z]{4}[-_][0-9a-hjkmnp-tv-z]{4}[-_][0-9a-z]/i,
  /^(?=.*\d.*[a-z])[0-9a-hjkmnp-tv-z]{12,15}$/i,
];
const INSIDE = /(?<![0-9a-z])(?=.{0,18}\d)[0-9a-tv-z]{4}(-[0-9a-tv-z]{4}){3}(?![0-9a-z])/i; // "it is 12XT-…"
const AS_MESSAGE = "This looks like a Login PIN. Never give yours to anyone. If it is something else, send it again.";

export const isPinShaped = (name) => AS_NAME.some((form) => form.test(name));

// A message that is or contains a PIN is held back until it is sent again, unchanged.
const plain = (message) => message.trim().replace(/[‐-―−]/g, "-").replace(/[.,;:!?]+$/, ""); // as phones type it
const SOON = 400; // ms: a key held down or a double click is one press
let held = "";
let heldAt = 0;
function holdBack(event) {
  const composer = event.target.closest?.("message-composer");
  if (!composer || !(event.type === "submit" || isSending(event))) return;
  const { value } = composer.querySelector("textarea");
  const isAgain = value === held && !event.repeat && event.timeStamp - heldAt > SOON;
  const isHeld = !isAgain && [WHOLE, INSIDE].some((form) => form.test(plain(value)));
  held = isHeld ? value : "";
  heldAt = event.timeStamp;
  if (!isHeld) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  showAlert(composer, AS_MESSAGE);
}
for (const name of ["submit", "keydown"]) addEventListener(name, (event) => event.isTrusted && holdBack(event), true);
