// <sealed-text>: the text of a message. Plain text enters the page here, only as text nodes.

import { onPress } from "./dom.js";
import { drawable } from "./fonts.js";
import { linksIn } from "./texts.js";

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
    button.textContent = isWhole ? "Show less" : "Show more";
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
