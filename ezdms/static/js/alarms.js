// The alarm above a conversation: red, always in the same place, and nothing can be sent until the person has acted.

import { onPress, showAlert } from "./dom.js";

export class Alarms {
  #standing = new Map(); // name → {sentence, goOn}: what going on after it means; null: one cannot

  // `changed` is called whenever an alarm is raised or the person went on.
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

  // One of them is such that one cannot go on.
  get lock() {
    return [...this.#standing.values()].some(({ goOn }) => goOn === null);
  }

  async #goOn() {
    for (const [name, { goOn }] of [...this.#standing]) { // those that stood there when it was pressed
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
