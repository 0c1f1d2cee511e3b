// The messages that the server does not show yet: listed below the others, each with its status.

import { onPress } from "./dom.js";
import { drawText } from "./sealed-text.js";
import { instantiate } from "./shell.js";

export class Unsent {
  #shown = new Map(); // message_id → {item, element}; item: the latest version

  // `retry(item)` and `discard(item)` are called by their buttons.
  constructor(list, { retry, discard }) {
    Object.assign(this, { list, retry, discard });
  }

  get isEmpty() { return !this.#shown.size; }
  get ids() { return [...this.#shown.keys()]; }

  show(item) {
    const known = this.#shown.get(item.message_id);
    if (known) {
      known.item = item;
      return;
    }
    const shown = { item, element: instantiate("pending").firstElementChild };
    drawText(shown.element.querySelector(".text"), item.text);
    for (const what of ["retry", "discard"]) {
      onPress(shown.element.querySelector(`[data-do=${what}]`), () => this[what](shown.item));
    }
    this.list.append(shown.element);
    this.#shown.set(item.message_id, shown);
  }

  // `isOver`: nothing more happens automatically, or not soon.
  say(id, sentence, isOver = false) {
    const { element } = this.#shown.get(id) ?? {};
    if (!element) return;
    element.toggleAttribute("data-unsent", isOver);
    element.querySelector("[role=status]").textContent = sentence;
    for (const button of element.querySelectorAll("button")) button.hidden = !isOver;
  }

  hide(id) {
    this.#shown.get(id)?.element.remove();
    this.#shown.delete(id);
  }
}
