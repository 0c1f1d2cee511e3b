// <sealed-text>: the text of a message. Plain text enters the page here, only as text nodes.

import { drawable } from "./fonts.js";
import { linksIn } from "./links.js";

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

// Show a text in an element.
export function drawText(element, text) {
  drawable(text);
  element.toggleAttribute("data-emoji", FEW_EMOJI.test(text));
  element.replaceChildren(...withCode(text));
}

customElements.define("sealed-text", class extends HTMLElement {
  show(text) { drawText(this, text); }

  // Show a placeholder instead.
  say(sentence) { this.textContent = sentence; }
});
