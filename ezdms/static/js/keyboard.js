// Typing: what Enter does, “Skip to content”, the room that an on-screen keyboard leaves, how long texts are split,
// and a Login PIN typed in the wrong place, from where it would leave this browser.

import { checkText, cleanText, countCodePoints, MAX_TEXT } from "./crypto.js";
import { focusLater, showAlert } from "./dom.js";
import { remember, remembered } from "./keystore.js";
import { LOCALE, say } from "./words.js";

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

// Longer texts: split into consecutive messages, each within the protocol's limit. A cut is after a paragraph, a line,
// a sentence or a word, and never inside a character as people see it (a grapheme). Only white space at cuts is lost.

export const MOST = 8 * MAX_TEXT; // code points in all
const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const WORDS = new Intl.Segmenter(LOCALE, { granularity: "word" }); // also of languages without spaces
const SPACE = /\s+/g;
const PLACES = [/\n\s*\n/g, /\n/g, /[.!?…]["'”’»)\]]*\s+|[。！？]/g, SPACE]; // the best first

const isBlank = (grapheme) => grapheme.trim() === "";

// How many of these graphemes the first message takes.
function cut(graphemes) {
  const counts = new Map(); // offset in `head` → graphemes before it
  let [head, size] = ["", 0];
  for (const [i, grapheme] of graphemes.entries()) {
    size += countCodePoints(grapheme);
    if (size > MAX_TEXT && !isBlank(grapheme)) break; // white space at the cut needs no room
    head += grapheme;
    counts.set(head.length, i + 1);
  }
  const ends = (place) => Array.from(head.matchAll(place), ({ 0: found, index }) => index + found.length);
  const lastOf = (offsets, least) => offsets.findLast((at) => at > least && counts.has(at));
  const words = () => Array.from(WORDS.segment(head), ({ index }) => index);
  const half = head.length / 2; // no short messages, if it can be avoided
  let at;
  for (const place of PLACES) at ??= lastOf(ends(place), half);
  at ??= lastOf(ends(SPACE), 0) ?? lastOf(words(), half) ?? head.length;
  return counts.get(at);
}

// The messages of a text, in order.
export function split(text) {
  const parts = [];
  const take = (graphemes) => isBlank(graphemes.join("")) || parts.push(graphemes.join(""));
  let rest = Array.from(GRAPHEMES.segment(text), ({ segment }) => segment)
    .flatMap((grapheme) => (countCodePoints(grapheme) > MAX_TEXT ? [...grapheme] : [grapheme])); // cannot be kept whole
  while (countCodePoints(rest.join("")) > MAX_TEXT) {
    const end = cut(rest);
    const isLine = rest[end - 1] === "\n";
    take(rest.slice(0, rest.findLastIndex((grapheme, i) => i < end && !isBlank(grapheme)) + 1));
    rest = rest.slice(end);
    const next = rest.findIndex((grapheme) => !isBlank(grapheme));
    rest = rest.slice(isLine ? rest.lastIndexOf("\n", next) + 1 : next); // a line keeps its indentation
  }
  take(rest);
  return parts;
}

const COUNT_FROM = 100; // characters before the limit

// The messages of a text that is sent now. Throws if it cannot be sent.
export function messagesOf(text) {
  const count = countCodePoints(text);
  if (count > MOST) throw new Error(say("text-longest", { most: MOST, count }));
  const parts = count > MAX_TEXT ? split(text) : [text];
  parts.forEach(checkText);
  return parts;
}

// What the counter says below what is typed, and whether that is too long. `most`: MOST, or fewer for one message.
export function counterOf(typed, most) {
  const count = countCodePoints(typed);
  const parts = most < MOST || count > MOST ? [] : split(cleanText(typed));
  const said = [];
  if (parts.length > 1) said.push(say("counter-parts", { count: parts.length }));
  if (count >= most - COUNT_FROM) said.push(say("counter", { count, most }));
  return [said.join(" · "), count > most];
}

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
