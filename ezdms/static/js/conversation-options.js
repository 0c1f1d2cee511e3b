// <conversation-options>: the menu of a conversation, and the dialog that sets when its messages disappear.

import { onPress, onSubmit, onToggle, openDialog, openMenu, useMenu } from "./dom.js";
import { inWords } from "./local-time.js";

const HOUR = 3600;
const DAY = 24 * HOUR;
const TIMES = [0, 300, HOUR, DAY, 7 * DAY, 28 * DAY]; // seconds; 0: off
const nameOf = (seconds) => (seconds ? inWords(seconds) : "Off");
const CUSTOM = "Custom";
const UNITS = { seconds: 1, minutes: 60, hours: HOUR, days: DAY };
const [SHORTEST, LONGEST] = [5, 365 * DAY];
const SENTENCE = (seconds) => (seconds ? `Messages disappear ${inWords(seconds)} after they are sent, read or not.`
  : "Messages stay until someone deletes them.");
const NO_NUMBER = "Enter a whole number, for example 12.";
const TOO_SHORT = "The shortest time is 5 seconds.";
const TOO_LONG = "The longest time is 365 days.";

// One of several buttons can be pressed. `chosen()` runs when that changes.
function makeChoice(group, labels, chosen) {
  const buttons = labels.map((textContent) => Object.assign(document.createElement("button"),
    { type: "button", textContent, ariaPressed: "false" }));
  const choose = (label) => buttons.forEach((button) => { button.ariaPressed = String(button.textContent === label); });
  for (const button of buttons) onPress(button, () => { choose(button.textContent); chosen(); });
  group.replaceChildren(...buttons);
  return { choose, get label() { return buttons.find(({ ariaPressed }) => ariaPressed === "true")?.textContent; } };
}

customElements.define("conversation-options", class extends HTMLElement {
  connectedCallback() {
    if (this.thread) return; // put away and shown again (navigate.js)
    this.thread = this.closest("message-thread");
    const [menu, dialog] = this.children;
    const button = this.thread.querySelector(".options");
    Object.assign(this, { dialog, count: dialog.querySelector("input"), custom: dialog.querySelector(".custom") });
    dialog.popover = "auto";
    this.count.inputMode = "numeric";
    useMenu(menu, () => { menu.hidePopover(); this.#open(); });
    onToggle(button, menu, () => openMenu(menu, button.getBoundingClientRect()));
    const [times, units] = dialog.querySelectorAll(".choices");
    this.times = makeChoice(times, [...TIMES.map(nameOf), CUSTOM], () => this.#show());
    this.units = makeChoice(units, Object.keys(UNITS), () => this.#show());
    this.units.choose("minutes");
    this.count.addEventListener("input", () => this.#show());
    onPress(dialog.querySelector("[data-do=cancel]"), () => dialog.hidePopover());
    onSubmit(dialog, "Setting…", () => this.#set());
  }

  #open() {
    const { timer } = this.thread;
    const isListed = TIMES.includes(timer);
    this.times.choose(isListed ? nameOf(timer) : CUSTOM);
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
    const listed = TIMES.find((time) => nameOf(time) === this.times.label);
    if (listed !== undefined) return listed;
    const typed = this.count.value.trim();
    if (!/^[0-9]+$/.test(typed)) throw new Error(NO_NUMBER);
    const seconds = Number(typed) * UNITS[this.units.label];
    if (seconds < SHORTEST) throw new Error(TOO_SHORT);
    if (seconds > LONGEST) throw new Error(TOO_LONG);
    return seconds;
  }

  #show() {
    this.custom.hidden = this.times.label !== CUSTOM;
    let sentence = "";
    try { sentence = SENTENCE(this.#chosen); } catch { /* said when it is set */ }
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
