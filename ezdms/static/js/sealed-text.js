// <sealed-text>: the text of a message. Plain text enters the page here, only as text nodes.

import { drawable } from "./fonts.js";

const LINK = /\bhttps?:\/\/[^\s<>"]*[^\s<>"'.,:;!?()[\]{}]/giu; // without the punctuation after it

// The text, with links that reveal nothing to the other site.
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

  // Show a placeholder instead.
  say(sentence) {
    this.textContent = sentence;
  }
});
