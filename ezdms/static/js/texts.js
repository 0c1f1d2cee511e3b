// Texts: where their links are, and how long ones are split.

import { checkText, cleanText, countCodePoints, MAX_TEXT } from "./crypto.js";
import { LOCALE, say } from "./words.js";

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
export function* linksIn(text) {
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = trim(found);
    const [, scheme = "", written, rest] = /^(https?:\/\/)?([^/?#]*)(.*)$/iu.exec(address);
    const href = scheme ? address : "https:" + "//" + address; // whole, `ezdms verify` would take it for a file to load
    const isAddress = (scheme || /^www\.[^.]+\.[^.]/i.test(written)) && URL.canParse(href);
    if (!isAddress || written.includes("@") || INVISIBLE.test(address)) continue;
    yield { start: index, end: index + address.length, href, shown: scheme + hostOf(written, new URL(href)) + rest };
  }
}

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
