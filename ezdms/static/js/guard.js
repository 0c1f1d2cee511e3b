// Whatever the server sends once the page stands is looked at here before it becomes a part of it: only the fragments
// that we know, only in their places, and no text where a message stands. Anything else is left out, and said.

import { showPageAlert } from "./dom.js";

const OUT_OF_PLACE = "The server sent something that does not belong on this page. It was left out. "
  + "Do not type secrets here before you know why.";

const ROWS = ["message-row", "div", "span", "sealed-text", "local-time", "p"];
const PLACES = [ // where, how, and made of what
  { where: "#conversations", how: "afterbegin", tags: ["conversation-item", "a", "span", "local-time"] },
  { where: ".rows", how: "beforeend", tags: ROWS },
  { where: ".rows > .older", how: "outerHTML", tags: ROWS },
  { where: "#devices", how: "outerHTML", tags: ["div", "ul", "li", "h2", "p", "span", "local-time", "button"] },
];
const ATTRIBUTES = {
  id: /^(message-\d+|conversation-[0-9A-Z]{24}|devices)$/,
  class: /^[a-z -]*$/,
  role: /^(listitem|status)$/,
  type: /^button$/,
  href: /^\/c\/[0-9A-Z]{24}$/,
  "hx-get": /^\/messages\/[0-9A-Z]{24}\?before=\d+$/,
  "hx-post": /^\/sessions\/([\w-]{22}\/end|end_others)$/,
  "hx-target": /^#devices$/,
  "hx-swap": /^outerHTML$/,
  "hx-trigger": /^intersect root:message-log rootMargin:800px$/,
  "hx-sync": /^this:drop$/,
  "hx-disable": /^this$/,
};
const HARMLESS = /^(aria-[a-z]+|datetime|dir|sealed|data-(last-seq|left|seq|n|hash|suite|message-id|short|long))$/;

const isKnown = ({ name, value }) => HARMLESS.test(name) || (ATTRIBUTES[name]?.test(value) ?? false);

// In the log the server writes the sender's name for screen readers and "Loading…"; messages are not its to write.
const isWritten = (element) => element.closest("message-row, .rows") && !element.closest(".visually-hidden, .older")
  && [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());

function isInPlace({ target, swapSpec, fragment }) {
  const element = typeof target === "string" ? document.querySelector(target) : target;
  if (!element) return true; // nothing happens
  const place = PLACES.find(({ where }) => element.matches(where));
  return place && swapSpec.style === place.how && [...fragment.querySelectorAll("*")].every((part) =>
    place.tags.includes(part.localName) && [...part.attributes].every(isKnown) && !isWritten(part));
}

document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
  const allowed = tasks.filter((task) => task.swapSpec?.style === "none" || isInPlace(task));
  if (allowed.length < tasks.length) showPageAlert(OUT_OF_PLACE);
  tasks.splice(0, tasks.length, ...allowed);
  ctx.title = ""; // nor is the page's name the server's to change
});
