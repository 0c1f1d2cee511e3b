// Typing: what Enter does, “Skip to content”, the room that an on-screen keyboard leaves, and a Login PIN typed in the
// wrong place, from where it would leave this browser.

import { focusLater, showAlert } from "./dom.js";
import { remember, remembered } from "./keystore.js";
import { say } from "./words.js";

// Whether Enter sends: not on screens that are touched, whose keyboards have no Shift+Enter.
const touched = matchMedia("(pointer: coarse)");
export const hasKeyboard = () => !touched.matches;
export const entersSend = () => hasKeyboard() && remembered("enter") !== "breaks";

// <enter-sends>: the setting, where there is a choice.
customElements.define("enter-sends", class extends HTMLElement {
  connectedCallback() {
    this.hidden = !hasKeyboard();
    const box = this.querySelector("input");
    box.checked = entersSend();
    box.addEventListener("change", () => {
      remember("enter", box.checked ? "" : "breaks");
      box.checked = entersSend(); // storage may be blocked
    });
  }
});

// Whether this key sends the message. Enter that only ends the composition of a word (of Japanese, say) does not.
// Safari reports it after the composition has ended, but as key 229.
export function isSending({ key, keyCode, isComposing, shiftKey, ctrlKey, metaKey }) {
  if (key !== "Enter" || isComposing || keyCode === 229 || shiftKey) return false;
  return ctrlKey || metaKey || entersSend();
}

// The first button of a page leads past everything that comes before its content.
addEventListener("click", ({ target, isTrusted }) => {
  if (!isTrusted || !target.closest?.(".skip")) return;
  const contents = ["message-log", ".listing #conversations a", "#main h1"].map((each) => document.querySelector(each));
  const content = contents.find((each) => each);
  content.tabIndex = content.tabIndex; // a heading, too, can then have the focus
  focusLater()(content);
});

// On iOS, the on-screen keyboard covers the page instead of resizing it. The page of a conversation is then as high as
// its visible part, so that the message field stays in view.
const [view, root] = [globalThis.visualViewport, document.documentElement];

function fit() {
  const height = view.height * view.scale; // zoomed in does not mean covered
  const isCovered = root.clientHeight - height > 1;
  root.classList.toggle("covered", isCovered);
  if (!isCovered) return root.style.removeProperty("--seen");
  root.style.setProperty("--seen", `${height}px`);
  if (document.body.matches(".session")) scrollTo(0, 0); // iOS scrolled up to show the field, which is higher by now
}
view?.addEventListener("resize", fit);

// A Login PIN is the whole text: groups with the same separator, or none, and at least one digit or dash.
// "unmistakable-name" and "see you at 8 tonight" also have sixteen letters.
const WHOLE = /^(?=.*[-\d])[0-9a-tv-z]{4}([-_ ]?)[0-9a-tv-z]{4}\1[0-9a-tv-z]{4}\1[0-9a-tv-z]{4}$/i;
// For usernames also text that contains a PIN or most of one: two or more groups of letters used in PINs
// (john_paul_jones has others), or a part in which letters follow a digit.
const AS_NAME = [
  WHOLE, /(?:[0-9a-z]{4}[-_]){3}[0-9a-z]{4}/i, /^[0-9a-hjkmnp-tv-z]{4}[-_][0-9a-hjkmnp-tv-z]{4}[-_][0-9a-z]/i,
  /^(?=.*\d.*[a-z])[0-9a-hjkmnp-tv-z]{12,15}$/i,
];
const INSIDE = /(?<![0-9a-z])(?=.{0,18}\d)[0-9a-tv-z]{4}(-[0-9a-tv-z]{4}){3}(?![0-9a-z])/i; // "it is 12XT-…"

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
  showAlert(composer, say("pin-as-message"));
}
for (const name of ["submit", "keydown"]) addEventListener(name, (event) => event.isTrusted && holdBack(event), true);
