// Messages seen in an earlier session that are missing now: the server is asked for them. If it does not show them, it
// withholds them. While it does not answer, the page says so, and sends nothing.

import { offerAgain } from "./dom.js";

const UNCHECKED = "The server did not let this browser check that the messages you saw before are still here. "
  + "Your messages are queued until it has.";

export class LookUp {
  #answered = new Set(); // hashes that the server did not show when asked
  #isAsking = false;
  isOpen = false; // something is missing, and may be withheld by the server

  // `ask` fetches everything, `again` checks again what is missing. If `ask` fails, shows a notice below `alarm`.
  constructor(alarm, { ask, again }) {
    Object.assign(this, { ask, again });
    this.region = Object.assign(document.createElement("p"), { className: "connection unchecked", hidden: true });
    alarm.after(this.region);
  }

  // `missing`: hashes of missing messages. Returns those that the server withholds, and asks for the others.
  look(missing) {
    const open = missing.filter((hash) => !this.#answered.has(hash));
    this.isOpen = open.length > 0;
    if (!this.isOpen) this.region.hidden = true;
    else if (!this.#isAsking) this.#ask(open);
    return missing.filter((hash) => this.#answered.has(hash));
  }

  async #ask(open) {
    this.#isAsking = true;
    const isAnswered = await this.ask().then(() => true, () => false);
    this.#isAsking = false;
    if (!isAnswered) return offerAgain(this.region, UNCHECKED, this.again); // or with the next message or connection
    for (const hash of open) this.#answered.add(hash);
    this.again();
  }
}
