// Reports: the user hands signed messages of someone over to the operator.

import { isWithin } from "./changes.js";
import { expiresAt } from "./crypto.js";
import { onPress, onSubmit, openDialog, showAlert } from "./dom.js";
import { wordsOf } from "./files.js";
import { readBlocks } from "./remembered.js";
import { drawable } from "./sealed-text.js";
import { isNumber, postForm } from "./server.js";
import { HOST, instantiate } from "./shell.js";
import { say, sentenceOf } from "./words.js";

const MOST = 20; // messages
const LONGEST_REASON = 500; // code points
const MOST_SHOWN = 300; // code points of a message
const REPORTED = ["text", "edit", "file"];
const KEPT_NOT = ["expired", "hidden"];

// The signed messages of others that this page has shown, as evidence for a report. What their sender deletes or edits
// away stays until the page is closed; what disappears, or the user deletes, does not.

const originals = new Map(); // conversation → Map: id → {id, n, jws, kind, text, at, ts, x, about, isDeleted}

// Drop those for which `isOver(original)` is true.
export function dropOriginals(conversation, isOver) {
  const kept = originals.get(conversation) ?? new Map();
  for (const [id, original] of kept) if (isOver(original)) kept.delete(id);
  return kept;
}

// `views`: what the rows show (changes.js), by the same index as their facts.
export function keepOriginals(conversation, facts, views) {
  const kept = originals.get(conversation) ?? new Map();
  originals.set(conversation, kept);
  facts.forEach((fact, i) => {
    const { id, n, jws, kind, text, createdAt: at, ts, x, side, reference, isCleared } = fact;
    const { state } = views[i] ?? {};
    if (side !== "theirs") return;
    if (jws && REPORTED.includes(kind) && !isCleared && !kept.has(id)) {
      kept.set(id, { id, n, jws, kind, text, at, ts, x, about: kind === "edit" ? reference[0] : id });
    }
    if (state === "deleted" && kept.has(id)) kept.get(id).isDeleted = true;
    if (isCleared || KEPT_NOT.includes(state)) dropOriginals(conversation, ({ about }) => about === id);
  });
}

// <report-messages>: choose messages, say why, and hand them over.
customElements.define("report-messages", class extends HTMLElement {
  connectedCallback() {
    if (this.thread) return; // put away and shown again (navigate.js)
    this.thread = this.closest("message-thread");
    this.dialog = this.firstElementChild;
    this.dialog.popover = "auto";
    [this.picks, this.reason, this.older] = [".picks", "textarea", "[data-do=older]"]
      .map((selector) => this.querySelector(selector));
    onPress(this.querySelector("[data-do=cancel]"), () => this.dialog.hidePopover());
    const failed = (error) => showAlert(this, sentenceOf(error));
    onPress(this.older, () => this.thread.loadOlder().then(() => this.#list(), failed));
    onSubmit(this, say("reporting"), () => this.#report());
  }

  open() {
    const { partnerName } = this.thread;
    this.querySelector("h2").textContent = say("report-from", { name: partnerName });
    this.querySelector(".to").textContent = say("report-to", { host: HOST.name, address: new URL(HOST.server).host });
    this.querySelector(".done").textContent = "";
    this.#list();
    openDialog(this.dialog, this.querySelector("h2"));
  }

  // What can be reported, the newest last. What was chosen stays so.
  #list() {
    const { conversation, contact, loaded } = this.thread;
    const blocks = readBlocks(contact.known?.blocks);
    const isOver = ({ x, at, ts }) => (expiresAt(x, at, ts) ?? Infinity) <= Date.now();
    const found = [...dropOriginals(conversation, isOver).values()].filter(({ at }) => !isWithin(blocks, at))
      .sort((one, other) => one.n - other.n);
    const chosen = new Set(this.#chosen);
    this.picks.replaceChildren(...found.map((original) => this.#pick(original, chosen.has(original.id))));
    this.querySelector(".none").hidden = found.length > 0;
    this.older.hidden = !loaded.hasOlder;
  }

  #pick({ id, text, at, kind, isDeleted }, isChosen) {
    const pick = instantiate("report-pick").firstElementChild;
    Object.assign(pick.querySelector("input"), { value: id, checked: isChosen });
    pick.querySelector("local-time").show(at);
    const said = wordsOf({ state: kind, text });
    drawable(said);
    pick.querySelector(".text").textContent = [...said.slice(0, 2 * MOST_SHOWN)].slice(0, MOST_SHOWN).join("");
    const state = isDeleted ? say("report-deleted") : kind === "edit" ? say("report-edited") : "";
    pick.querySelector(".state").textContent = state;
    return pick;
  }

  get #chosen() { return [...this.picks.querySelectorAll("input:checked")].map(({ value }) => value); }

  async #report() {
    const { conversation } = this.thread;
    const [chosen, reason] = [this.#chosen, this.reason.value.trim()];
    const length = [...reason].length;
    if (!chosen.length) throw new Error(say("report-none"));
    if (chosen.length > MOST) throw new Error(say("report-too-many", { most: MOST, count: chosen.length }));
    if (length > LONGEST_REASON) throw new Error(say("report-too-long", { most: LONGEST_REASON, count: length }));
    const kept = originals.get(conversation);
    const messages = JSON.stringify(chosen.map((id) => ({ message_id: id, jws: kept.get(id).jws })));
    const fields = { conversation_id: conversation, reason, messages };
    const { reported } = await postForm("/report", fields, { reported: isNumber });
    if (reported !== chosen.length) throw new Error(say("report-odd"));
    this.reason.value = "";
    for (const box of this.picks.querySelectorAll("input")) box.checked = false;
    this.querySelector(".done").textContent = say("report-done", { count: reported });
  }
});
