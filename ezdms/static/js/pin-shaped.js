// What looks like a Login PIN where none belongs: from there it would leave this browser.

import { showAlert } from "./dom.js";

// All of it: what parts its groups is the same each time, or nothing, and there is a digit or a dash. An
// "unmistakable-name" and "see you at 8 tonight" have sixteen letters too.
const WHOLE = /^(?=.*[-\d])[0-9a-tv-z]{4}([-_ ]?)[0-9a-tv-z]{4}\1[0-9a-tv-z]{4}\1[0-9a-tv-z]{4}$/i;
// As a name also what holds one, or is most of one: two groups and more of letters that PINs have (john_paul_jones has
// others), or a piece in which letters follow a digit.
const AS_NAME = [
  WHOLE, /(?:[0-9a-z]{4}[-_]){3}[0-9a-z]{4}/i, /^[0-9a-hjkmnp-tv-z]{4}[-_][0-9a-hjkmnp-tv-z]{4}[-_][0-9a-z]/i,
  /^(?=.*\d.*[a-z])[0-9a-hjkmnp-tv-z]{12,15}$/i,
];
const INSIDE = /(?<![0-9a-z])(?=.{0,18}\d)[0-9a-tv-z]{4}(-[0-9a-tv-z]{4}){3}(?![0-9a-z])/i; // "it is 12XT-…"
const AS_MESSAGE = "This looks like a Login PIN. Never give yours to anybody. If it is something else, send it again.";

export const isPinShaped = (name) => AS_NAME.some((form) => form.test(name));

// A message that is or holds one is held back until it is sent once more, unchanged.
const plain = (message) => message.trim().replace(/[‐-―−]/g, "-").replace(/[.,;:!?]+$/, ""); // as phones write it
const SOON = 400; // ms: a key that is held down and a double click are one press
let held = "";
let heldAt = 0;
function holdBack(event) {
  const composer = event.target.closest?.("message-composer");
  const isSending = event.type === "submit" || (event.key === "Enter" && !event.shiftKey && !event.isComposing);
  if (!composer || !isSending) return;
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
