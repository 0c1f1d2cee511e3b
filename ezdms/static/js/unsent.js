// The messages that the server does not show yet: below the others, each with what becomes of it.

import { onPress } from "./dom.js";
import { instantiate } from "./shell.js";

export class Unsent {
  #elements = new Map(); // message_id → element
  #items = new Map(); // message_id → item, as it was given last

  // `retry(item)` and `discard(item)` do what their buttons say.
  constructor(list, { retry, discard }) {
    Object.assign(this, { list, retry, discard });
  }

  get isEmpty() { return !this.#items.size; }
  get ids() { return [...this.#items.keys()]; }

  show(item) {
    this.#items.set(item.message_id, item);
    if (this.#elements.has(item.message_id)) return;
    const element = instantiate("pending").firstElementChild;
    element.querySelector(".text").textContent = item.text;
    for (const what of ["retry", "discard"]) {
      onPress(element.querySelector(`[data-do=${what}]`), () => this[what](this.#items.get(item.message_id)));
    }
    this.list.append(element);
    this.#elements.set(item.message_id, element);
  }

  // `isOver`: nothing more happens by itself, or not soon.
  say(id, sentence, isOver = false) {
    const element = this.#elements.get(id);
    if (!element) return;
    element.toggleAttribute("data-unsent", isOver);
    element.querySelector("[role=status]").textContent = sentence;
    for (const button of element.querySelectorAll("button")) button.hidden = !isOver;
  }

  hide(id) {
    this.#elements.get(id)?.remove();
    this.#elements.delete(id);
    this.#items.delete(id);
  }
}
