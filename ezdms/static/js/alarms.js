// The alarm above a conversation: red, always in the same place, and nothing can be sent until the person has acted.

import { showAlert } from "./dom.js";

export class Alarms {
  #standing = new Map(); // name → {sentence, goOn}: what going on after it means; null: one cannot

  constructor(thread) {
    this.thread = thread;
    this.region = thread.querySelector(".alarm");
    this.button = this.region.querySelector("button");
    this.button.addEventListener("click", () => this.#goOn());
  }

  raise(name, sentence, goOn) {
    if (this.#standing.has(name)) return;
    this.#standing.set(name, { sentence, goOn });
    if (goOn === null) this.thread.toggleAttribute("locked", true);
    this.#show();
  }

  async #goOn() {
    for (const [name, { goOn }] of this.#standing) {
      try { await goOn(); } catch (error) { return showAlert(this.region, error.message); }
      this.#standing.delete(name);
    }
    this.#show();
  }

  #show() {
    const alarms = [...this.#standing.values()];
    showAlert(this.region, [...new Set(alarms.map(({ sentence }) => sentence))].join(" "));
    this.button.hidden = !alarms.length || alarms.some(({ goOn }) => goOn === null);
    this.thread.toggleAttribute("alarmed", this.#standing.size > 0);
    this.thread.dispatchEvent(new Event("alarm"));
  }
}
