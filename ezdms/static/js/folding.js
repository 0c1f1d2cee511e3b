// Long messages are folded after 20 lines, with a button to show the rest.

import { onPress } from "./dom.js";

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
