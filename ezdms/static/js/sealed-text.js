// <sealed-text>: the text of a message, its links, and the font it is drawn with. Plain text enters the page here, only
// as text nodes.

import { onPress } from "./dom.js";
import { FONTS } from "./release.js";
import { bare, say } from "./words.js";

// The page's font. A font can draw one word as another, and a style sheet cannot specify its hash. So it is fetched
// here with its hash, and passed to the browser as bytes.

const FACES = {
  latin: ["inter-latin-wght-normal.woff2", "U+0000-00FF, U+0131, U+0152-0153, U+02BB-02BC, U+02C6, U+02DA, U+02DC, "
    + "U+0304, U+0308, U+0329, U+2000-206F, U+20AC, U+2122, U+2191, U+2193, U+2212, U+2215, U+FEFF, U+FFFD"],
  more: ["inter-latin-ext-wght-normal.woff2", "U+0100-02BA, U+02BD-02C5, U+02C7-02CC, U+02CE-02D7, U+02DD-02FF, "
    + "U+0304, U+0308, U+0329, U+1D00-1DBF, U+1E00-1E9F, U+1EF2-1EFF, U+2020, U+20A0-20AB, U+20AD-20C0, U+2113, "
    + "U+2C60-2C7F, U+A720-A7FF"],
};
const NEEDS_MORE = /[\u0100-\u02af\u1d00-\u1eff\u20a0-\u20ab\u20ad-\u20c0\u2c60-\u2c7f\ua720-\ua7ff]/;

async function load([file, unicodeRange]) {
  const answer = await fetch(new URL(`../fonts/${file}`, import.meta.url), { integrity: FONTS[file] });
  document.fonts.add(new FontFace("Inter", await answer.arrayBuffer(), { weight: "100 900", unicodeRange }));
}
load(FACES.latin).catch(() => {}); // otherwise the browser's own font is used, as before it was loaded

// Call with text that is shown: loads the larger half of the font on demand.
let isAsked = false;
export function drawable(text) {
  if (isAsked || !NEEDS_MORE.test(text)) return;
  isAsked = true;
  load(FACES.more).catch(() => {});
}

// Links: an address is one only if what is shown says where it leads.

const QUOTES = "<>\"`‘’“”„«»‹›…";
const CJK_PUNCTUATION = "\u3000-\u3004\u3008-\u3020\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65";
const ADDRESS = RegExp(`(?<![\\w@./:-])(?:https?://|www\\.)[^\\s\\\\${QUOTES}${CJK_PUNCTUATION}]+`, "giu");
const END = /[.,:;!?'*([{]$/; // not part of an address at its end
const OPENS = { ")": "(", "]": "[", "}": "{" };
const INVISIBLE = /\p{Cf}/u; // also what changes the direction of text
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu; // look like no others
const SCRIPTS = ["Latin", "Cyrillic", "Greek"].map((script) =>
  [RegExp(`\\p{Script=${script}}`, "u"), RegExp(`(?!\\p{Script=${script}})\\p{L}`, "u")]); // its letters, and others

const count = (text, character) => text.split(character).length;

// Without the punctuation after it, and closing brackets that were opened before it.
function trim(address) {
  const last = address.at(-1);
  const isOwn = !(last in OPENS) || count(address, last) <= count(address, OPENS[last]);
  return isOwn && !END.test(address) ? address : trim(address.slice(0, -1));
}

const isMixed = (name) => [...name.split("."), name.replace(CJK, "")]
  .some((part) => SCRIPTS.some(([its, others]) => its.test(part) && others.test(part)));

// What is shown of the host: as written, unless that could look like another one.
function hostOf(written, { hostname, host }) {
  const name = written.replace(/:\d*$/, "").toLowerCase();
  const isReadable = /[^!-~]/.test(name) && name === name.normalize("NFKC") && !name.includes("%") && !isMixed(name);
  return isReadable || name === hostname ? written : host;
}

// {start, end, href, shown} of each link.
function* linksIn(text) {
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = trim(found);
    const [, scheme = "", written, rest] = /^(https?:\/\/)?([^/?#]*)(.*)$/iu.exec(address);
    const href = scheme ? address : "https:" + "//" + address; // whole, `ezdms verify` would take it for a file to load
    const isAddress = (scheme || /^www\.[^.]+\.[^.]/i.test(written)) && URL.canParse(href);
    if (!isAddress || written.includes("@") || INVISIBLE.test(address)) continue;
    yield { start: index, end: index + address.length, href, shown: scheme + hostOf(written, new URL(href)) + rest };
  }
}

// Long messages are folded after 20 lines, with a button to show the rest.

const MOST_LINES = 20;
const AROUND = 40; // pixels: the padding of a bubble, and a line for the time
const MAY_BE_LONG = /\n(?:[^\n]*\n){10}|^[^]{150}/; // the others need not be measured

const observer = new ResizeObserver((changes) => {
  for (const { target } of changes) if (!target.querySelector(".more")) fold(target.querySelector("sealed-text"));
});

function fold(text) {
  // Blank lines at its start and end count only in the bubble.
  const height = Math.max(text.getBoundingClientRect().height, text.parentElement.clientHeight - AROUND);
  if (height / parseFloat(getComputedStyle(text).lineHeight) < MOST_LINES + 1) return;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "more" });
  const show = (isWhole) => {
    text.toggleAttribute("data-folded", !isWhole);
    button.ariaExpanded = String(isWhole);
    button.textContent = say(isWhole ? "show-less" : "show-more");
  };
  onPress(button, () => show(text.hasAttribute("data-folded")));
  text.addEventListener("focusin", () => show(true)); // a link that is not in view
  text.after(button);
  show(false);
}

// Fold this text once it is found to be long, on whatever screen.
export function foldIfLong(text) {
  if (MAY_BE_LONG.test(text.textContent) || text.querySelector(".block")) observer.observe(text.parentElement);
}

const CODE = /\n?```\n?([^]+?)\n?```\n?|`([^`\n]+)`/g;
// These are shown larger. \1 and \2: an emoji is read in one way only, otherwise one message takes hours.
const FEW_EMOJI = /^\s*(?:(?=(\p{RGI_Emoji}))\1(?:\u200d(?=(\p{RGI_Emoji}))\2)*\s*){1,3}$/v;

const make = (name, properties) => Object.assign(document.createElement(name), properties);

// The text, with links that reveal nothing to the other site.
function* withLinks(text) {
  let at = 0;
  for (const { start, end, href, shown } of linksIn(text)) {
    yield text.slice(at, start);
    yield make("a", { href, target: "_blank", rel: "noopener noreferrer", dir: "ltr", textContent: shown });
    at = end;
  }
  yield text.slice(at);
}

// The text, with `code` and code blocks, in which nothing is marked.
function* withCode(text) {
  let at = 0;
  for (const { 0: { length }, 1: block, 2: inline, index } of text.matchAll(CODE)) {
    if (!(block ?? inline).trim()) continue;
    yield* withLinks(text.slice(at, index));
    yield make("code", { className: block ? "block" : "", dir: "ltr", textContent: block ?? inline });
    at = index + length;
  }
  yield* withLinks(text.slice(at));
}

// The text without the marks of code, for one line.
export const withoutMarks = (text) => text.replace(CODE, (marked, block, inline) => {
  if (!(block ?? inline).trim()) return marked;
  return block ? ` ${block} ` : inline;
});

// ---- What a search found ----

// The text in one line, in pieces: [text, is found]. `before`: code units before the first one that is found.
export function* piecesOf(text, words, before, most) {
  const line = text.replace(/\s+/g, " ").trim();
  const [places, ends] = [[], []]; // of each unit of `plain` in `line`
  let [plain, at] = ["", 0];
  for (const letter of line) {
    const piece = bare(letter);
    for (let i = 0; i < piece.length; i += 1) places.push(at);
    at += letter.length;
    for (let i = 0; i < piece.length; i += 1) ends.push(at);
    if (!piece && ends.length) ends[ends.length - 1] = at; // an accent
    plain += piece;
  }
  const marks = words.flatMap((word) => {
    const found = [];
    for (let i = plain.indexOf(word); i >= 0; i = plain.indexOf(word, i + word.length)) {
      found.push([places[i], ends[i + word.length - 1]]);
    }
    return found;
  }).sort(([one], [other]) => one - other);
  const first = marks[0]?.[0] ?? 0;
  let from = first > before ? Math.max(0, line.lastIndexOf(" ", first - before) + 1, first - 2 * before) : 0;
  if (/[\udc00-\udfff]/.test(line[from])) from += 1;
  const to = Math.min(line.length, from + most);
  if (from) yield ["…", false];
  for (const [start, end] of marks) {
    if (start < from || start >= to) continue;
    if (start > from) yield [line.slice(from, start), false];
    yield [line.slice(start, Math.max(from, end)), true];
    from = Math.max(from, end);
  }
  if (from < to) yield [line.slice(from, to), false];
}

// Show a text in an element. `isPlain`: as it is, without links.
export function drawText(element, text, isPlain = false) {
  drawable(text);
  element.toggleAttribute("data-emoji", !isPlain && FEW_EMOJI.test(text));
  element.replaceChildren(...(isPlain ? [text] : withCode(text)));
}

customElements.define("sealed-text", class extends HTMLElement {
  show(text, isPlain) { drawText(this, text, isPlain); }

  // Show a placeholder instead.
  say(sentence) { this.textContent = sentence; }
});
