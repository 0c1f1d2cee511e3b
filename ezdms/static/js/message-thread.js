// <message-thread>: one conversation. Knows both keys, judges each message in order, raises the alarm, and fetches what
// was missed.

import { Alarms } from "./alarms.js";
import * as crypto from "./crypto.js";
import { loadAccount, loadContact } from "./keystore.js";
import { getFragment } from "./server.js";
import { changeContact, overwriteVault, syncVault } from "./vault.js";

const PAGE = 200; // messages asked for at once when catching up
const REMEMBER_AFTER = 1000; // ms; how far a conversation was seen is noted once for many messages
const TAMPERED = "This conversation was tampered with: a message does not follow the ones before it.";
const FORGED = "A message carries a false signature: somebody tried to write in this person’s name.";
const FORGED_MINE = "A message carries a false signature: somebody tried to write in your name.";
const ROLLED_BACK = "The server no longer shows messages that were here before.";
const NO_KEYS = "This browser no longer holds your keys. Please log out and log in again with your Login PIN.";
const OTHER_KEY = "The server shows another key for this person. Nothing is sent. "
  + "Ask them for their Search PIN by another way.";

customElements.define("message-thread", class extends HTMLElement {
  #judging = Promise.resolve(); // messages are opened side by side, but judged in the order they stand
  #waiting = 0; // messages that are not judged yet
  #catching = Promise.resolve(); // one after the other
  #complete; // the highest seq up to which no message is missing on this page
  #seen = new Set(); // rows above a hole
  #rows = new Map(); // row → {chain, n, holds} of those that were judged
  #alarms;
  #missed = new Set(); // what a server that was asked for it did not show
  #remembering;

  connectedCallback() {
    this.conversation = this.dataset.conversationId;
    this.rows = this.querySelector(".rows");
    this.#complete = Number(this.rows.querySelector("message-row")?.dataset.seq ?? 1) - 1;
    this.#alarms = new Alarms(this);
    this.ready = this.#identify();
    this.ready.then(() => this.#waiting || this.#settle(), (error) => this.alarm("key", error.message, null));
  }

  // Who I am, whom I talk to, and how I know. A server that swaps a key is stopped here.
  async #identify() {
    const [me] = await Promise.all([loadAccount(), this.#readVault()]);
    if (me?.user_id !== document.body.dataset.userId) throw new Error(NO_KEYS);
    this.contact = await loadContact(this.conversation);
    const partner = await this.#identifyPartner();
    const conversation = await crypto.conversationId(me.fp, partner.fp);
    if (conversation !== this.conversation || location.pathname !== `/c/${conversation}`) throw new Error(OTHER_KEY);
    if (partner.pin) await this.#pin(partner);
    const { own, theirs } = this.contact;
    this.chains = { own: crypto.newChain(own), theirs: crypto.newChain(theirs) };
    const { ownN, ownHash } = this.dataset; // whoever does not know their own last message takes it from the server
    this.own = own?.[0] >= Number(ownN) ? { n: own[0], hash: own[1] } : { n: Number(ownN), hash: ownHash };
    this.querySelector("h1").textContent = partner.name; // as they signed it, whatever the server calls them
    return { me, partner };
  }

  // What my other browsers know of my contacts; a server that cannot be reached keeps nobody from reading.
  async #readVault() {
    try {
      await syncVault(Number(document.body.dataset.vaultVersion));
    } catch (error) {
      const sentence = `${error.message} What this browser knows is kept.`;
      if (error.kind === "alarm") this.alarm("vault", sentence, overwriteVault);
    }
  }

  // Somebody who left has no statement any more: what they wrote is judged by the key that was pinned.
  async #identifyPartner() {
    if (!this.hasAttribute("data-left")) {
      const partner = await crypto.verifyStatement(this.dataset.partnerStatement);
      return { ...partner, pin: await crypto.pinOf(partner) };
    }
    if (!this.contact) throw new Error("This person left before this browser knew their key: nothing can be verified.");
    const ik = crypto.b64uDecode(this.contact.ik, 32);
    return { ik, fp: await crypto.fingerprint(ik), name: `${this.contact.name} (left)` };
  }

  async #pin({ pin, name }) {
    if (this.contact?.hash === pin.hash) return; // the statement that is known
    const keep = () => this.#change({ ...pin, name });
    try {
      if (this.contact) crypto.checkSuccession(this.contact, pin);
      await keep();
    } catch (error) {
      if (error.kind !== "alarm" || this.contact.ik !== pin.ik) throw error;
      this.alarm("statement", `${error.message} Ask them by another way whether they changed something.`, keep);
    }
  }

  async #change(values) {
    await changeContact(this.conversation, () => values);
    this.contact = await loadContact(this.conversation);
    this.dispatchEvent(new Event("contact"));
  }

  // From now on this person counts as verified.
  verify(how) {
    return this.#change({ verified: how });
  }

  // `goOn` does what going on after it means; null: one cannot. What a person went on after once is no alarm again.
  alarm(name, sentence, goOn) {
    if (!this.contact?.accepted.includes(name)) this.#alarms.raise(name, sentence, goOn);
  }

  // What this name stands for was seen and is no alarm any more, here and in one's other browsers.
  #accept = (name) => () => this.#change({ accepted: [...this.contact.accepted, name].slice(-50) });

  // Open a row's copy, null if it is gone. Resolves once it is judged: what to show, or why it is not shown.
  open(row, sealed) {
    const { messageId: message_id, hash, n, suite } = row.dataset;
    const claimed = { message_id, hash, n: Number(n), suite: Number(suite), encrypted: sealed };
    const opening = this.ready.then(({ me, partner }) => {
      if (sealed === null) return { gone: true };
      const [sender, recipient] = row.isOwn ? [me, partner] : [partner, me];
      return crypto.openMessage(me, sender, recipient.fp, this.conversation, claimed);
    });
    opening.catch(() => {}); // handled in its turn
    this.#waiting += 1;
    const judged = this.#judging.then(() => this.#judge(row, claimed, opening));
    this.#judging = judged.then(() => {
      this.dispatchEvent(new CustomEvent("judged", { detail: message_id }));
      this.#waiting -= 1;
      if (!this.#waiting) this.#settle();
    });
    return judged;
  }

  async #judge(row, claimed, opening) {
    const [message, error] = await opening.then((opened) => [opened], (refused) => [null, refused]);
    if (!this.chains || this.hasAttribute("locked")) return { failure: "Not opened" };
    const { n, hash } = claimed;
    const chain = this.chains[row.isOwn ? "own" : "theirs"];
    const place = { chain, n, holds: false };
    this.#rows.set(row, place);
    if (row.isOwn && n > this.own.n) this.own = { n, hash };
    if (error && error.kind !== "unsupported") {
      crypto.followChain(chain, { n, hash }); // it is present, whatever it holds
      const name = `forged ${claimed.message_id}`;
      if (error.isForged) this.alarm(name, row.isOwn ? FORGED_MINE : FORGED, this.#accept(name));
      return { failure: "Cannot be verified" };
    }
    const verdict = crypto.followChain(chain, { n, hash, p: (message ?? error).p });
    if (verdict === "duplicate") this.#rows.delete(row);
    if (verdict === "fork") {
      this.alarm(`fork ${hash}`, TAMPERED, this.#accept(`fork ${hash}`));
      return { failure: "Cannot be verified" };
    }
    place.holds = true;
    return error ? { verdict, failure: "Needs a newer version of EZ-DMS" } : { verdict, message };
  }

  // All rows that came are judged: say in place where messages are missing or late, and remember how far one has seen.
  #settle() {
    if (!this.chains || this.hasAttribute("locked")) return;
    const inOrder = [...this.rows.children].filter((row) => this.#rows.has(row));
    for (const [side, chain] of Object.entries(this.chains)) {
      const rows = inOrder.filter((row) => this.#rows.get(row).chain === chain);
      const present = new Set(rows.map((row) => this.#rows.get(row).n));
      let top = 0;
      for (const row of rows) {
        const { n, holds } = this.#rows.get(row);
        if (!holds) continue; // its placeholder says enough
        row.toggleAttribute("data-gap", top > 0 && n > top + 1 && !present.has(n - 1));
        row.toggleAttribute("data-late", n < top);
        top = Math.max(top, n);
      }
      const known = this.contact[side];
      top = Math.max(top, ...present); // also what does not hold stands there, and is said
      if (known?.[0] > top && (top > 0 || !this.rows.querySelector(".older"))) this.#miss(known);
    }
    clearTimeout(this.#remembering);
    this.#remembering = setTimeout(() => this.#remember().catch(() => {}), REMEMBER_AFTER);
  }

  // A message that was seen on another day is not here. It may be on its way; if not, the server withholds it.
  #miss([n, hash]) {
    const name = `rollback ${hash}`;
    if (this.#missed.has(name)) return this.alarm(name, ROLLED_BACK, this.#accept(name));
    this.catchUp(Infinity).then(() => {
      this.#missed.add(name);
      this.#settle();
    }, () => {}); // the server cannot be reached: asked again with the next message
  }

  // The last message seen of each side, for the day on which a server shows less.
  async #remember() {
    const last = (chain, known) => (chain.last?.[0] > (known?.[0] ?? 0) ? chain.last : known);
    const { own, theirs } = this.contact;
    const seen = { own: last(this.chains.own, own), theirs: last(this.chains.theirs, theirs) };
    if (seen.own !== own || seen.theirs !== theirs) await this.#change(seen);
  }

  // The highest message of theirs received without a gap, for the next message's acknowledgement.
  get acknowledged() {
    return this.chains.theirs.head ?? [0, ""];
  }

  // A row has found its place: count it, so that catchUp knows of holes.
  arrived(seq) {
    if (seq > this.#complete) this.#seen.add(seq);
    while (this.#seen.delete(this.#complete + 1)) this.#complete += 1;
  }

  // Resolves once every row that is here is judged.
  async settled() {
    await this.ready.catch(() => {});
    await this.#judging;
  }

  // Fetch everything up to seq `goal` that this page lacks, once, in order; Infinity: whatever there is by now.
  // Resolves when it is all judged.
  catchUp(goal) {
    const caughtUp = this.#catching.then(() => this.#fetchMissing(goal)); // after the other rows of the same frame
    this.#catching = caughtUp.catch(() => {});
    return caughtUp;
  }

  async #fetchMissing(goal) {
    let known;
    while (this.#complete < goal && known !== this.#complete) { // until nothing comes any more
      known = this.#complete;
      await this.append(await getFragment(`/messages/${this.conversation}?after=${known}&limit=${PAGE}`));
    }
    await this.#judging;
  }

  // Put rows rendered by the server at the end; each then finds its own place (message-row.js).
  append(html) {
    return window.htmx.swap({ sourceElement: this.rows, target: this.rows, swap: "beforeend", text: html });
  }
});
