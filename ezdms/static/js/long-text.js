// Longer texts: split into consecutive messages, each within the protocol's limit. A cut is after a paragraph, a line,
// a sentence or a word, and never inside a character as people see it (a grapheme). Only white space at cuts is lost.

import { MAX_TEXT, countCodePoints } from "./crypto.js";

export const MOST = 8 * MAX_TEXT; // code points in all
const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const WORDS = new Intl.Segmenter(undefined, { granularity: "word" }); // also of languages without spaces
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
