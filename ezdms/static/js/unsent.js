// The messages that the server does not show yet: listed below the others, each with its status. A change of another
// message is listed only while it waits.

import { onPress } from "./dom.js";
import { drawable, drawText } from "./sealed-text.js";
import { instantiate } from "./shell.js";
import { say, sizeInWords, timerInWords } from "./words.js";

// Buttons by status.
const ANY = ["retry", "edit", "discard", "cancel"];
const BUTTONS = {
  waiting: ANY, refused: ANY, old: ["anew", "discard"],
  queued: ["cancel"], uploading: ["pause", "cancel"], paused: ["resume", "cancel"],
};
const make = (name, properties) => Object.assign(document.createElement(name), properties);
const TYPED = ["text", "edit"]; // put back into the field instead of discarded
const LISTED = ["text", "file"]; // also while they are sent

// What an unsent message says, in words.
export function describe({ kind, text, file }) {
  if (kind === "delete") return say("unsent-delete");
  if (kind === "react") return text ? say("unsent-react", { emoji: text }) : say("unsent-unreact");
  if (kind === "timer") return say("unsent-timer", { time: timerInWords(text) });
  return kind === "file" ? file.about.name : text;
}

// What takes an unsent message away: the user has it back, or has it no more.
const awayWith = (kind, state) => (kind === "file" && state !== "old" ? "cancel"
  : state !== "old" && TYPED.includes(kind) ? "edit" : "discard");

export class Unsent {
  #shown = new Map(); // message_id → {item, element}; item: the latest version

  // Each of `work` is called by the button of its name, `changed()` with every status.
  constructor(list, { changed, ...work }) {
    Object.assign(this, { list, changed, work: { ...work, cancel: work.discard } });
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
    const text = shown.element.querySelector(".text");
    if (item.kind === "file") {
      drawable(describe(item));
      text.textContent = describe(item); // a name is no link
      const facts = make("p", { className: "facts", textContent: sizeInWords(item.file.about.size) });
      const ariaLabel = say("upload-of", { name: describe(item) });
      text.after(facts, make("progress", { max: 100, value: 0, hidden: true, ariaLabel }));
    } else drawText(text, describe(item));
    shown.element.querySelector(".what").hidden = item.kind !== "edit";
    shown.element.hidden = !LISTED.includes(item.kind);
    for (const [what, press] of Object.entries(this.work)) {
      onPress(shown.element.querySelector(`[data-do=${what}]`), () => press(shown.item));
    }
    this.list.append(shown.element);
    this.#shown.set(item.message_id, shown);
  }

  // `state`: "" while it is being sent, "queued" behind another one, "waiting" for the next try, "refused", or "old" if
  // the user must decide; "uploading" and "paused" of a file.
  say(id, sentence, state = "") {
    const { item, element } = this.#shown.get(id) ?? {};
    if (!element) return;
    element.dataset.unsent = state;
    element.hidden = !state && !LISTED.includes(item.kind);
    const status = element.querySelector("[role=status]");
    if (status.textContent !== sentence) status.textContent = sentence; // not read aloud again
    const away = awayWith(item.kind, state);
    for (const button of element.querySelectorAll("button")) {
      const { do: what } = button.dataset;
      const isOther = ["edit", "discard", "cancel"].includes(what) && what !== away;
      button.hidden = isOther || !BUTTONS[state]?.includes(what);
    }
    if (item.kind === "file") element.querySelector("progress").hidden = !["uploading", "paused"].includes(state);
    this.changed();
  }

  // How much of its file the server has, from 0 to 1.
  progress(id, share) {
    const bar = this.#shown.get(id)?.element.querySelector("progress");
    if (bar) bar.value = Math.floor(share * 100);
  }

  hide(id) {
    this.#shown.get(id)?.element.remove();
    this.#shown.delete(id);
    this.changed();
  }
}
