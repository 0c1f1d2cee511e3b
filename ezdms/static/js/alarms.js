// The alarm above a conversation: red, always in the same place. Nothing can be sent until the user has acted.

import { onPress, showAlert } from "./dom.js";

export class Alarms {
  #standing = new Map(); // name → {sentence, goOn}: runs on “Continue anyway”; null: not possible

  // `changed` is called whenever an alarm is raised or accepted.
  constructor(region, changed) {
    this.region = region;
    this.changed = changed;
    this.button = this.region.querySelector("button");
    onPress(this.button, () => this.#goOn());
  }

  raise(name, sentence, goOn) {
    if (this.#standing.has(name)) return;
    this.#standing.set(name, { sentence, goOn });
    this.#show();
  }

  get stand() {
    return this.#standing.size > 0;
  }

  // True if one of the alarms cannot be accepted.
  get lock() {
    return [...this.#standing.values()].some(({ goOn }) => goOn === null);
  }

  async #goOn() {
    for (const [name, { goOn }] of [...this.#standing]) { // those shown when it was pressed
      try { await goOn(); } catch (error) { return showAlert(this.region, error.message); }
      this.#standing.delete(name);
    }
    this.#show();
  }

  #show() {
    const alarms = [...this.#standing.values()];
    showAlert(this.region, [...new Set(alarms.map(({ sentence }) => sentence))].join(" "));
    this.button.hidden = !alarms.length || this.lock;
    this.changed();
  }
}
