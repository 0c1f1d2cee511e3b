// <sealed-text>: what a message says. Plain text enters the page here, as text nodes alone.

import { drawable } from "./fonts.js";

const LINK = /\bhttps?:\/\/[^\s<>"]*[^\s<>"'.,:;!?()[\]{}]/giu; // without the punctuation after it

// The text, with its links as elements that tell the other site nothing.
function* withLinks(text) {
  let at = 0;
  for (const { 0: address, index } of text.matchAll(LINK)) {
    if (!URL.canParse(address)) continue;
    const link = Object.assign(document.createElement("a"), {
      href: address, target: "_blank", rel: "noopener noreferrer", textContent: address,
    });
    yield text.slice(at, index);
    yield link;
    at = index + address.length;
  }
  yield text.slice(at);
}

customElements.define("sealed-text", class extends HTMLElement {
  show(text) {
    drawable(text);
    this.replaceChildren(...withLinks(text));
  }

  // A placeholder in its place.
  say(sentence) {
    this.textContent = sentence;
  }
});
