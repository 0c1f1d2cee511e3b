// <conversation-options>: the menu of a conversation, and the dialog that sets when its messages disappear. And
// <report-messages>.
//
// Every item of the menu has its name in `data-do`. What it does is an entry of that name in OPTIONS:
// {isOffered(thread) (always, if missing), run(thread, options)}. `options` is this element, with the dialogs.

import { dropOriginals, originals } from "./catch-up.js";
import { isWithin } from "./changes.js";
import { expiresAt } from "./crypto.js";
import { onPress, onSubmit, onToggle, openDialog, openMenu, showAlert, useMenu } from "./dom.js";
import { MEETING } from "./meeting.js";
import { ORGANIZING, prepareOrganizing } from "./organizing.js";
import { wordsOf } from "./files.js";
import { readBlocks } from "./remembered.js";
import { drawable } from "./sealed-text.js";
import { goTo, PAGE } from "./message-log.js";
import { searchIn } from "./search.js";
import { isNumber, postForm } from "./server.js";
import { HOST, instantiate } from "./shell.js";
import { inWords, say, sentenceOf } from "./words.js";

const HOUR = 3600;
const DAY = 24 * HOUR;
const TIMES = [0, 300, HOUR, DAY, 7 * DAY, 28 * DAY]; // seconds; 0: off
const nameOf = (seconds) => (seconds ? inWords(seconds) : say("time-off"));
const UNITS = { second: 1, minute: 60, hour: HOUR, day: DAY };
const [SHORTEST, LONGEST] = [5, 365 * DAY];
const describe = (seconds) =>
  (seconds ? say("time-explained", { time: inWords(seconds) }) : say("time-off-explained"));

const OPTIONS = {
  ...ORGANIZING, ...MEETING, timer: { run: (thread, options) => options.openTimer() },
  search: { run: (thread) => searchIn(thread) },
  gallery: { run: (thread) => searchIn(thread, "has:picture") },
  jump: { run: (thread, options) => options.openSheet("jumping") },
};

const CUSTOM = "custom"; // instead of one of TIMES

// One of several buttons can be pressed. `labels`: the words for each value. `chosen()` runs when that changes.
function makeChoice(group, labels, chosen) {
  const buttons = new Map(Array.from(labels, ([value, textContent]) =>
    [value, Object.assign(document.createElement("button"), { type: "button", textContent, ariaPressed: "false" })]));
  const choose = (value) => buttons.forEach((button, each) => { button.ariaPressed = String(each === value); });
  for (const [value, button] of buttons) onPress(button, () => { choose(value); chosen(); });
  group.replaceChildren(...buttons.values());
  return { choose, get value() { return [...buttons].find(([, { ariaPressed }]) => ariaPressed === "true")?.[0]; } };
}

customElements.define("conversation-options", class extends HTMLElement {
  connectedCallback() {
    if (this.thread) return; // put away and shown again (navigate.js)
    this.thread = this.closest("message-thread");
    const menu = this.firstElementChild;
    const button = this.thread.querySelector(".options");
    useMenu(menu, ({ dataset }) => {
      menu.hidePopover();
      const { run } = OPTIONS[dataset.do];
      this.try(async () => {
        if (dataset.do in ORGANIZING) await this.thread.contact.keep();
        return run(this.thread, this);
      });
    });
    onToggle(button, menu, () => {
      this.#offer(menu);
      openMenu(menu, button.getBoundingClientRect());
    });
    for (const sheet of this.querySelectorAll(".sheet")) {
      sheet.popover = "auto";
      onPress(sheet.querySelector("[data-do=cancel]"), () => { this.thread.log.stop(); sheet.hidePopover(); });
    }
    prepareOrganizing(this);
    this.#prepareTimer(this.querySelector(".timer"));
    const jumping = this.querySelector(".jumping");
    onSubmit(jumping, say("loading-earlier"), () => this.#jump(jumping));
  }

  // Go to the first message from this day on (by the server's time, as it is shown), or the last one before it.
  async #jump(sheet) {
    const [year, month, day] = sheet.querySelector("input").value.split("-").map(Number);
    if (!year) throw new Error(say("jump-no-date"));
    const from = new Date(year, month - 1, day).getTime();
    const rows = () => [...this.thread.rows.children].filter(({ placed, hidden }) => placed && !hidden);
    if (!await this.thread.seek(() => rows()[0]?.at < from, PAGE)) return;
    const row = rows().find(({ at }) => at >= from) ?? rows().at(-1);
    if (!row) throw new Error(say("jump-nothing"));
    sheet.hidePopover();
    await goTo(this.thread, () => row, sheet.querySelector("[role=alert]"));
  }

  // Only what applies.
  #offer(menu) {
    for (const item of menu.querySelectorAll("[role=menuitem]")) {
      item.hidden = !(OPTIONS[item.dataset.do].isOffered?.(this.thread) ?? true);
    }
    for (const group of menu.children) group.hidden = ![...group.children].some(({ hidden }) => !hidden);
  }

  // Open one of the dialogs.
  openSheet(name) {
    const sheet = this.querySelector(`.sheet.${name}`);
    showAlert(sheet);
    openDialog(sheet, sheet.querySelector("input") ?? sheet.querySelector("h2"));
    return sheet;
  }

  // What goes wrong is said at the field for messages.
  async try(work) {
    try { await work(); } catch (error) { showAlert(this.thread.querySelector("message-composer"), sentenceOf(error)); }
  }

  #prepareTimer(dialog) {
    Object.assign(this, { dialog, count: dialog.querySelector("input"), custom: dialog.querySelector(".custom") });
    this.count.inputMode = "numeric";
    const [times, units] = dialog.querySelectorAll(".choices");
    const listed = TIMES.map((seconds) => [seconds, nameOf(seconds)]);
    this.times = makeChoice(times, [...listed, [CUSTOM, say("time-custom")]], () => this.#show());
    const named = Object.keys(UNITS).map((unit) => [unit, say(`units-${unit}`)]);
    this.units = makeChoice(units, named, () => this.#show());
    this.units.choose("minute");
    this.count.addEventListener("input", () => this.#show());
    onSubmit(dialog, say("setting"), () => this.#set());
  }

  openTimer() {
    const { timer } = this.thread;
    const isListed = TIMES.includes(timer);
    this.times.choose(isListed ? timer : CUSTOM);
    if (!isListed) this.#fill(timer);
    this.#show();
    openDialog(this.dialog, this.dialog.querySelector("h2"));
  }

  // The custom time that is set.
  #fill(seconds) {
    const [unit, size] = Object.entries(UNITS).findLast(([, each]) => seconds % each === 0);
    this.units.choose(unit);
    this.count.value = seconds / size;
  }

  // The chosen time in seconds. Throws if it is none.
  get #chosen() {
    if (this.times.value !== CUSTOM) return this.times.value;
    const typed = this.count.value.trim();
    if (!/^[0-9]+$/.test(typed)) throw new Error(say("time-no-number"));
    const seconds = Number(typed) * UNITS[this.units.value];
    if (seconds < SHORTEST) throw new Error(say("time-too-short"));
    if (seconds > LONGEST) throw new Error(say("time-too-long"));
    return seconds;
  }

  #show() {
    this.custom.hidden = this.times.value !== CUSTOM;
    let sentence = "";
    try { sentence = describe(this.#chosen); } catch { /* said when it is set */ }
    this.dialog.querySelector(".sentence").textContent = sentence;
    this.dialog.querySelector("[role=alert]").textContent = "";
  }

  async #set() {
    const { thread } = this;
    const composer = thread.querySelector("message-composer");
    const seconds = this.#chosen;
    composer.checkOpen();
    if (seconds !== thread.timer) await composer.outbox.add([{ kind: "timer", text: String(seconds) }]);
    this.dialog.hidePopover();
  }
});

// Reports: the user hands signed messages of someone over to the operator.

const MOST = 20; // messages
const LONGEST_REASON = 500; // code points
const MOST_SHOWN = 300; // code points of a message

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
