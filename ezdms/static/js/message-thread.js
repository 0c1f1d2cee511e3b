// <message-thread>: one conversation. Knows both keys, judges each message in order, and fetches what was missed.

import * as crypto from "./crypto.js";
import { showAlert } from "./dom.js";
import { loadAccount, loadContact, saveContact } from "./keystore.js";
import { getFragment } from "./server.js";

const PAGE = 200; // messages asked for at once when catching up

customElements.define("message-thread", class extends HTMLElement {
  #judging = Promise.resolve(); // messages are opened side by side, but judged in the order they stand
  #catching = null;
  #complete; // the highest seq up to which no message is missing on this page
  #seen = new Set(); // rows above a hole
  #goal = 0; // the highest seq known to exist

  connectedCallback() {
    this.conversation = this.dataset.conversationId;
    this.rows = this.querySelector(".rows");
    this.#complete = Number(this.rows.querySelector("message-row")?.dataset.seq ?? 1) - 1;
    this.#goal = Number(this.dataset.lastSeq);
    this.own = { n: Number(this.dataset.ownN), hash: this.dataset.ownHash };
    this.chains = { own: crypto.newChain(), theirs: crypto.newChain() };
    this.ready = this.#identify();
    this.ready.catch((error) => {
      this.toggleAttribute("locked", true);
      this.alarm(error.message);
    });
  }

  // Who I am, whom I talk to, and how I know. A server that swaps a key is stopped here.
  async #identify() {
    const me = await loadAccount();
    if (me?.user_id !== document.body.dataset.userId) {
      throw new Error("This browser no longer holds your keys. Please log out and log in again with your Login PIN.");
    }
    const partner = await crypto.verifyStatement(this.dataset.partnerStatement);
    const conversation = await crypto.conversationId(me.fp, partner.fp);
    if (conversation !== this.conversation || location.pathname !== `/c/${conversation}`) {
      throw new Error("The server shows another key for this person. Nothing is sent. "
        + "Ask them for their Search PIN by another way.");
    }
    const known = await loadContact(this.conversation);
    if (known) crypto.checkSuccession(await crypto.verifyStatement(known.statement), partner);
    await saveContact(this.conversation, { verified: "", ...known, statement: this.dataset.partnerStatement });
    this.querySelector("h1").textContent = partner.name; // as they signed it, whatever the server calls them
    const trust = this.querySelector(".trust");
    trust.dataset.trust = known?.verified || "none";
    trust.textContent = known?.verified === "search-pin" ? "Verified by Search PIN" : "Not verified";
    return { me, partner };
  }

  // Red, in the same place, and nothing can be sent until the person has acted.
  alarm(sentence) {
    showAlert(this, sentence);
    this.toggleAttribute("alarmed", true);
    this.dispatchEvent(new Event("alarm"));
  }

  // Open a row's copy, null if it is gone. Resolves once it is judged: what to show, or why it is not shown.
  open(row, sealed) {
    const isOwn = row.classList.contains("own");
    const { messageId: message_id, hash, n, suite } = row.dataset;
    const claimed = { message_id, hash, n: Number(n), suite: Number(suite), encrypted: sealed };
    const opening = this.ready.then(({ me, partner }) => {
      if (sealed === null) return { gone: true };
      const [sender, recipient] = isOwn ? [me, partner] : [partner, me];
      return crypto.openMessage(me, sender, recipient.fp, this.conversation, claimed);
    });
    opening.catch(() => {}); // handled in its turn
    this.#judging = this.#judging.then(() => this.#judge(isOwn, claimed, opening));
    this.#judging.then(() => this.dispatchEvent(new CustomEvent("judged", { detail: message_id })));
    return this.#judging;
  }

  async #judge(isOwn, claimed, opening) {
    if (isOwn && claimed.n > this.own.n) this.own = { n: claimed.n, hash: claimed.hash };
    const [message, error] = await opening.then((opened) => [opened], (refused) => [null, refused]);
    if (this.hasAttribute("locked")) return { failure: "Not opened" };
    if (error && error.kind !== "unsupported") return { failure: "Cannot be verified" };
    const link = { n: claimed.n, hash: claimed.hash, p: (message ?? error).p };
    const verdict = crypto.followChain(isOwn ? this.chains.own : this.chains.theirs, link);
    if (verdict === "fork") {
      this.alarm("This conversation was tampered with: a message does not follow the ones before it.");
      return { failure: "Cannot be verified" };
    }
    return error ? { verdict, failure: "Needs a newer version of EZ-DMS" } : { verdict, message };
  }

  // The highest message of theirs received without a gap, for the next message's acknowledgement.
  get acknowledged() {
    const { head } = this.chains.theirs;
    return head ? [head.n, head.hash] : [0, ""];
  }

  // A row has found its place: count it, so that catchUp knows of holes.
  arrived(seq) {
    if (seq > this.#complete) this.#seen.add(seq);
    while (this.#seen.delete(this.#complete + 1)) this.#complete += 1;
  }

  // Fetch everything up to seq `goal` that this page lacks, once, in order; Infinity: whatever there is. Resolves when
  // it is all judged.
  catchUp(goal = 0) {
    this.#goal = Math.max(this.#goal, goal);
    this.#catching ??= this.#fetchMissing().finally(() => { this.#catching = null; });
    return this.#catching;
  }

  async #fetchMissing() {
    await Promise.resolve(); // let the other rows of the same frame arrive first
    let known;
    while (this.#complete < this.#goal && known !== this.#complete) { // until nothing comes any more
      known = this.#complete;
      await this.append(await getFragment(`/messages/${this.conversation}?after=${known}&limit=${PAGE}`));
    }
    this.#goal = this.#complete;
    await this.#judging;
  }

  // Put rows rendered by the server at the end; each then finds its own place (message-row.js).
  append(html) {
    return window.htmx.swap({ sourceElement: this.rows, target: this.rows, swap: "beforeend", text: html });
  }
});

