// What was seen in a conversation on another day and is not here: the server is asked for it. What it does not show
// then it withholds; as long as it gives no answer, that is said and nothing is sent.

import { offerAgain } from "./dom.js";

const UNCHECKED = "The server did not let this browser check that the messages you saw before are still here. "
  + "What you write waits until it has.";

export class LookUp {
  #answered = new Set(); // hashes that a server that was asked for them did not show
  #isAsking = false;
  isOpen = false; // something is not here, and it is not known yet whether the server withholds it

  // `ask` fetches all there is, `again` looks what is missing by now. Below `alarm` it is said that there is no answer.
  constructor(alarm, { ask, again }) {
    Object.assign(this, { ask, again });
    this.region = Object.assign(document.createElement("p"), { className: "connection unchecked", hidden: true });
    alarm.after(this.region);
  }

  // `missing`: the hashes of what is not here. Returns those that the server withholds, and asks for the others.
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
