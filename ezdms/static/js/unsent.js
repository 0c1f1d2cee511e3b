// The messages that the server does not show yet: listed below the others, each with its status. A change of another
// message is listed only while it waits.

import { onPress } from "./dom.js";
import { say, timerInWords } from "./words.js";
import { drawText } from "./sealed-text.js";
import { instantiate } from "./shell.js";

// Buttons by status.
const ANY = ["retry", "edit", "discard"];
const BUTTONS = { waiting: ANY, refused: ANY, old: ["anew", "discard"] };
const TYPED = ["text", "edit"]; // put back into the field instead of discarded

// What an unsent message says, in words.
export function describe({ kind, text }) {
  if (kind === "delete") return say("unsent-delete");
  if (kind === "react") return text ? say("unsent-react", { emoji: text }) : say("unsent-unreact");
  if (kind === "timer") return say("unsent-timer", { time: timerInWords(text) });
  return text;
}

export class Unsent {
  #shown = new Map(); // message_id → {item, element}; item: the latest version

  // `retry(item)`, `edit(item)`, `discard(item)` and `anew(item)` are called by their buttons, `changed()` with every
  // status.
  constructor(list, { changed, ...work }) {
    Object.assign(this, { list, changed, work });
  }

  get isEmpty() { return !this.#shown.size; }
  get ids() { return [...this.#shown.keys()]; }
  get stored() { return this.ids.filter((id) => this.#shown.get(id).item.key); }

  // The text of the last one that is not being sent at the moment.
  get waiting() {
    const last = [...this.#shown.values()].findLast(({ element }) => element.dataset.unsent);
    return last && describe(last.item);
  }

  show(item) {
    const known = this.#shown.get(item.message_id);
    if (known) {
      known.item = item;
      return;
    }
    const shown = { item, element: instantiate("pending").firstElementChild };
    drawText(shown.element.querySelector(".text"), describe(item));
    shown.element.querySelector(".what").hidden = item.kind !== "edit";
    shown.element.hidden = item.kind !== "text";
    for (const [what, press] of Object.entries(this.work)) {
      onPress(shown.element.querySelector(`[data-do=${what}]`), () => press(shown.item));
    }
    this.list.append(shown.element);
    this.#shown.set(item.message_id, shown);
  }

  // `state`: "" while it is being sent, "queued" behind another one, "waiting" for the next try, "refused", or "old" if
  // the user must decide.
  say(id, sentence, state = "") {
    const { item, element } = this.#shown.get(id) ?? {};
    if (!element) return;
    element.dataset.unsent = state;
    element.hidden = !state && item.kind !== "text";
    element.querySelector("[role=status]").textContent = sentence;
    const not = state !== "old" && TYPED.includes(item.kind) ? "discard" : "edit";
    for (const button of element.querySelectorAll("button")) {
      const { do: what } = button.dataset;
      button.hidden = what === not || !BUTTONS[state]?.includes(what);
    }
    this.changed();
  }

  hide(id) {
    this.#shown.get(id)?.element.remove();
    this.#shown.delete(id);
    this.changed();
  }
}
