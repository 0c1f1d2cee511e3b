// The messages that the server does not show yet: listed below the others, each with its status.

import { onPress } from "./dom.js";
import { drawText } from "./sealed-text.js";
import { instantiate } from "./shell.js";

export class Unsent {
  #shown = new Map(); // message_id → {item, element}; item: the latest version

  // `retry(item)` and `edit(item)` are called by their buttons, `changed()` with every status.
  constructor(list, { retry, edit, changed }) {
    Object.assign(this, { list, retry, edit, changed });
  }

  get isEmpty() { return !this.#shown.size; }
  get ids() { return [...this.#shown.keys()]; }
  get stored() { return this.ids.filter((id) => this.#shown.get(id).item.key); }

  // The text of the last one that is not being sent at the moment.
  get waiting() {
    return [...this.#shown.values()].findLast(({ element }) => element.dataset.unsent)?.item.text;
  }

  show(item) {
    const known = this.#shown.get(item.message_id);
    if (known) {
      known.item = item;
      return;
    }
    const shown = { item, element: instantiate("pending").firstElementChild };
    drawText(shown.element.querySelector(".text"), item.text);
    for (const what of ["retry", "edit"]) {
      onPress(shown.element.querySelector(`[data-do=${what}]`), () => this[what](shown.item));
    }
    this.list.append(shown.element);
    this.#shown.set(item.message_id, shown);
  }

  // `state`: "" while it is being sent, "queued" behind another one, "waiting" for the next try, or "refused".
  say(id, sentence, state = "") {
    const { element } = this.#shown.get(id) ?? {};
    if (!element) return;
    element.dataset.unsent = state;
    element.querySelector("[role=status]").textContent = sentence;
    for (const button of element.querySelectorAll("button")) button.hidden = !["waiting", "refused"].includes(state);
    this.changed();
  }

  hide(id) {
    this.#shown.get(id)?.element.remove();
    this.#shown.delete(id);
    this.changed();
  }
}
