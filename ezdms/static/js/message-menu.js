// <message-menu>: what one can do with a message, by its button, a long press, a right click or the keyboard. Each is
// only offered where it applies.

import { refusal } from "./changes.js";
import { focusLater, onPress, openDialog, openMenu, openNear, showAlert, useMenu } from "./dom.js";
import { EMOJI } from "./release.js";
import { LANGUAGE } from "./shell.js";
import { say, sentenceOf } from "./words.js";

const LONG = 500; // ms
const STILL = 10; // pixels that a finger may move during a long press
const FAR = 64; // pixels to the right that count as a reply

let emojis; // [emoji, name, other words] of each, loaded when first needed
async function loadEmojis() {
  const lists = Object.entries(EMOJI); // English first
  const [file, integrity] = lists.find(([name]) => name.endsWith(`-${LANGUAGE}.json`)) ?? lists[0];
  const answer = await fetch(new URL(`../vendor/${file}`, import.meta.url), { integrity });
  return answer.json();
}
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function howTo(isOwn, name) { // delete it
  if (!isOwn) return say("delete-theirs", { name });
  return `${say("delete-for-both", { name })}\n${say("delete-for-me", { name })}`;
}

customElements.define("message-menu", class extends HTMLElement {
  #row; // whose menu it is
  #stop; // the button in the tab order; the arrow keys lead to the others

  connectedCallback() {
    if (this.thread) return; // put away and shown again (navigate.js)
    this.thread = this.closest("message-thread");
    [this.menu, this.dialog] = this.children;
    this.picker = this.menu.querySelector(".picker");
    this.search = this.picker.querySelector("input");
    this.composer = this.thread.querySelector("message-composer");
    this.dialog.popover = "auto";
    useMenu(this.menu, (item) => this.#choose(item));
    onPress(this.picker, ({ target }) => this.#reactWith(target.closest(".emojis button")?.textContent));
    this.search.addEventListener("input", () => this.#find());
    const deletions = { both: () => this.#deleteForBoth(), me: () => this.#deleteForMe(), cancel: () => {} };
    for (const [name, work] of Object.entries(deletions)) {
      onPress(this.dialog.querySelector(`[data-do=${name}]`), () => {
        this.dialog.hidePopover();
        this.#try(work);
      });
    }
    this.#listen(this.thread.log);
    this.thread.onJudged(() => document.activeElement === this.#stop || this.#moveStop(this.#next(null, "previous")));
    this.thread.react = (row, emoji) => this.#try(() => this.#react(row, emoji));
  }

  // ---- How it opens ----

  #listen(log) {
    let wasOpen = false;
    log.addEventListener("pointerdown", (event) => {
      wasOpen = this.menu.matches(":popover-open") && rowOf(event) === this.#row;
      if (event.isTrusted && event.pointerType === "touch") this.#follow(event);
    }, true);
    onPress(log, (event) => {
      const button = event.target.closest(".actions");
      if (button && !(wasOpen && event.detail)) this.#open(rowOf(event), button.getBoundingClientRect());
    });
    log.addEventListener("contextmenu", (event) => {
      const isOnLink = event.button === 2 && (event.target.closest("a") || `${getSelection()}`);
      if (!event.isTrusted || isOnLink || !this.#can(rowOf(event)).length) return;
      event.preventDefault();
      const isHeld = event.pointerType === "touch";
      const isByKey = event.button !== 2 && !isHeld;
      const place = isByKey ? event.target.getBoundingClientRect() : new DOMRect(event.clientX, event.clientY);
      this.#open(rowOf(event), place, isHeld);
    });
    log.addEventListener("keydown", (event) => {
      const way = { ArrowUp: "previous", ArrowDown: "next" }[event.key];
      if (!way || !event.target.matches(".actions")) return;
      event.preventDefault();
      const next = this.#next(rowOf(event), way);
      if (next) focusLater()(this.#moveStop(next));
    });
  }

  // The button of the next message that has one, on this side of a row; without a row, of the newest.
  #next(row, way) {
    let next = row ? row[`${way}ElementSibling`] : this.thread.rows.lastElementChild;
    while (next && !isHere(next)) next = next[`${way}ElementSibling`];
    return next?.querySelector(".actions");
  }

  #moveStop(button) {
    if (this.#stop) this.#stop.tabIndex = -1;
    this.#stop = button;
    if (button) button.tabIndex = 0;
    return button;
  }

  // A finger: a long press opens the menu, a swipe to the right answers.
  #follow({ pointerId, clientX, clientY, target }) {
    const row = rowOf({ target });
    if (!this.#can(row).length) return;
    const ends = new AbortController();
    const timer = setTimeout(() => { ends.abort(); this.#open(row, new DOMRect(clientX, clientY), true); }, LONG);
    const end = () => { ends.abort(); row.style.removeProperty("--swiped"); };
    ends.signal.addEventListener("abort", () => clearTimeout(timer));
    const listen = (name, heard) => addEventListener(name, (event) => {
      if (event.isTrusted && event.pointerId === pointerId) heard(event);
    }, { signal: ends.signal });
    listen("pointermove", (event) => {
      const [x, y] = [event.clientX - clientX, event.clientY - clientY];
      if (Math.hypot(x, y) > STILL) clearTimeout(timer);
      if (x > STILL && x > 2 * Math.abs(y)) row.style.setProperty("--swiped", `${Math.min(x, FAR)}px`);
    });
    listen("pointerup", (event) => {
      const [x, y] = [event.clientX - clientX, Math.abs(event.clientY - clientY)];
      end();
      if (x >= FAR && y < FAR && this.#can(row).includes("reply")) this.composer.reply(row);
    });
    listen("pointercancel", end);
  }

  // ---- What it offers ----

  #can(row) {
    if (!row || !isHere(row)) return [];
    const { isOwn, shown, at } = row;
    const isAllowed = (kind) => !refusal(kind, shown, { isOwn, createdAt: at, now: Date.now() });
    const isRequest = this.thread.contact.state === "request";
    const written = ["reply", ...(isRequest ? [] : ["react"]), "edit"]
      .filter((kind) => this.composer.canWrite && isAllowed(kind));
    return [...written, ...(shown.state === "file" ? [] : ["copy"]), "delete"];
  }

  #open(row, place, isHeld = false) {
    const can = this.#can(row);
    if (!can.length || (this.#row === row && this.menu.matches(":popover-open"))) return;
    if (this.menu.matches(":popover-open")) this.menu.hidePopover();
    this.#row = row;
    this.picker.hidden = true;
    for (const item of this.menu.querySelectorAll("[role=menuitem]")) {
      item.hidden = !can.includes(item.dataset.do ?? "react");
      const isMine = !item.dataset.do && item.textContent === row.shown.reactions.own;
      item.toggleAttribute("data-mine", isMine);
      item.ariaDescription = isMine ? say("reaction-mine") : null;
    }
    this.place = place;
    openMenu(this.menu, place, isHeld);
  }

  #choose({ dataset: { do: name }, textContent }) {
    if (!name) return this.#reactWith(textContent);
    if (name === "react") return this.#pick();
    this.menu.hidePopover();
    const { shown } = this.#row;
    if (name === "copy") return navigator.clipboard.writeText(shown.text).catch(() => {});
    if (name === "delete") return this.#ask();
    this.composer[name](this.#row);
  }

  #ask() {
    const { isOwn } = this.#row;
    this.dialog.querySelector(".how").textContent = howTo(isOwn, this.thread.partnerName);
    this.dialog.querySelector("[data-do=both]").hidden = !isOwn || !this.composer.canWrite;
    openDialog(this.dialog, this.dialog.querySelector("h2"));
  }

  // ---- What it does ----

  async #try(work) {
    try {
      await work();
    } catch (error) {
      showAlert(this.composer, sentenceOf(error));
    }
  }

  get #reference() { return [this.#row.fact.id, this.#row.fact.hash]; }

  #deleteForBoth() { return this.composer.outbox.add([{ kind: "delete", text: this.#reference.join(" ") }]); }

  // First its mark is stored, which must not be lost.
  async #deleteForMe() {
    const [id] = this.#reference;
    await this.composer.outbox.tell("hide", this.#reference);
    await this.thread.contact.hide(id);
  }

  #reactWith(emoji) {
    if (!emoji) return;
    this.menu.hidePopover();
    this.thread.react(this.#row, emoji);
  }

  // The same reaction again withdraws it.
  #react({ fact: { id, hash }, shown }, emoji) {
    this.composer.checkOpen();
    const text = shown.reactions.own === emoji ? "" : emoji;
    return this.composer.outbox.add([{ kind: "react", text, reference: [id, hash] }]);
  }

  // ---- Any emoji ----

  async #pick() {
    for (const item of this.menu.querySelectorAll("[data-do]")) item.hidden = true;
    this.picker.hidden = false;
    this.search.value = "";
    openNear(this.menu, this.place);
    focusLater()(this.search);
    await this.#find();
  }

  // Show those that contain each word that was typed.
  async #find() {
    const status = this.picker.querySelector("[role=status]");
    emojis ??= await loadEmojis().catch(() => null);
    status.textContent = emojis ? "" : say("emoji-not-loaded");
    const words = plain(this.search.value).split(/\s+/); // as of now: the list took a while
    const found = (emojis ?? []).filter(([, ...said]) => words.every((word) => plain(`${said}`).includes(word)));
    if (emojis && !found.length) status.textContent = say("emoji-none");
    this.picker.querySelector(".emojis").replaceChildren(...found.map(([textContent, name]) =>
      Object.assign(document.createElement("button"), { type: "button", textContent, ariaLabel: name, title: name })));
  }
});

const rowOf = ({ target }) => target.closest("message-row");
const isHere = ({ shown }) => shown && !refusal("reply", shown, {}); // not gone, and no change
