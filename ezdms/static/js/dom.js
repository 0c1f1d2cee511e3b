// Helpers for elements: the focus, clicks, errors, busy forms, menus, the clipboard, QR codes.

import { generate } from "../vendor/lean-qr-2.7.4.min.js";
import { say, sentenceOf } from "./words.js";

// The focus belongs to the user, so it is moved only here: as the answer to what they did last. Returns a function that
// focuses an element, unless they did something else in the meantime. It returns whether they did not.
let acts = 0; // keys, presses, and whatever else changes a field
const act = ({ repeat }) => { acts += repeat ? 0 : 1; };
for (const name of ["keydown", "pointerdown", "input"]) addEventListener(name, act, true);
export function focusLater() {
  const [since, where] = [acts, document.activeElement];
  return (element) => {
    const isLast = acts === since && [where, document.body, null].includes(document.activeElement);
    if (isLast) element?.focus();
    return isLast;
  };
}

// The same where the user did nothing: only if nothing has the focus.
export const focusIfFree = () => ([document.body, null].includes(document.activeElement) ? focusLater() : () => false);

// Move an element; the focus stays in it. (Older browsers lack this, and take the focus away.)
export function moveBefore(element, place) {
  if (place.parentElement.moveBefore) place.parentElement.moveBefore(element, place);
  else place.before(element);
}

// The view that has the focus is left.
export const leaveFocus = () => document.activeElement?.blur();

// Show a sentence in the element's alert region; an empty one hides it.
export function showAlert(element, sentence = "") {
  element.querySelector("[role=alert]").textContent = sentence;
}

// The alert at the top of every page. Created here, so that no document can leave it out. Sentences stay, each once: a
// server must not be able to replace one warning by another.
const pageAlert = document.createElement("div");
pageAlert.id = "page-alert";
pageAlert.className = "alert page-alert";
pageAlert.role = "alert";
export function showPageAlert(sentence, [label, href] = []) {
  if (!pageAlert.isConnected) document.body.prepend(pageAlert);
  if ([...pageAlert.children].some(({ firstChild }) => firstChild.data === sentence)) return;
  const said = document.createElement("p");
  said.append(sentence);
  if (href) said.append(" ", Object.assign(document.createElement("a"), { textContent: label, href }));
  pageAlert.append(said);
}

// Replace the whole page. Alerts stay above it.
export function replacePage(page) {
  document.body.replaceChildren(...(pageAlert.isConnected ? [pageAlert] : []), page);
}

// Only real clicks count: events created by scripts are ignored.
export function onPress(element, work) {
  element.addEventListener("click", (event) => event.isTrusted && work(event));
}

// A button that is disabled whenever the other one is.
export function disableWith(button, other) {
  const follow = () => { button.disabled = other.disabled; };
  new MutationObserver(follow).observe(other, { attributeFilter: ["disabled"] });
  follow();
}

// Of three buttons (ask, stay, leave), the first shows the question and the others. Returns the last.
export function askOnce(element, changed = () => {}) {
  const [ask, stay, leave] = element.querySelectorAll("button");
  const show = (isAsked, focused) => {
    const focus = focusLater();
    element.querySelector(".question").hidden = !isAsked;
    [ask.hidden, stay.hidden, leave.hidden] = [isAsked, !isAsked, !isAsked];
    changed();
    focus(focused);
  };
  onPress(ask, () => show(true, stay));
  onPress(stay, () => show(false, ask));
  return leave;
}

// Run a form's work, once at a time. Shows progress on the button and errors as a sentence, and keeps the input. `work`
// gets a function that sets the button's label, and focusLater's.
export function onSubmit(element, busyLabel, work) {
  const form = element.closest("form") ?? element.querySelector("form");
  const button = form.querySelector("[type=submit]");
  const label = button.textContent;
  const reveal = form.querySelector("[data-do=reveal]");
  if (reveal) onPress(reveal, () => showSecret(reveal, reveal.previousElementSibling.type === "password"));
  form.noValidate = true; // our own sentences, in the alert region
  form.querySelector("fieldset").disabled = false; // before this, a click would be lost
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!event.isTrusted || form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    button.textContent = busyLabel;
    showAlert(form);
    if (reveal) showSecret(reveal, false); // a password manager saves only what is a password when it is submitted
    const focus = focusLater();
    try {
      await work((label) => { button.textContent = label; }, focus);
    } catch (error) {
      showAlert(form, sentenceOf(error));
      const isLast = focus(error.field ?? form.querySelector("input:not([hidden], [tabindex]), textarea"));
      if (isLast) form.querySelector("[role=alert]").scrollIntoView({ block: "nearest" }); // below the field
    }
    form.ariaBusy = "false";
    button.textContent = label;
  });
}

// Show or hide the PIN in the field before this button.
function showSecret(button, isShown) {
  button.textContent = say(isShown ? "hide" : "show");
  button.previousElementSibling.type = isShown ? "text" : "password";
}

// Menus and small dialogs are popovers: Escape or a press elsewhere closes them, and gives the focus back.
const GAP = 8; // pixels to the edges of the window, and to what it belongs to
const AFTER_UP = 50; // ms until the click that the end of a press can cause has passed
const LONGEST_PRESS = 1500; // ms

const itemsOf = (menu) => [...menu.querySelectorAll("[role=menuitem]")].filter((item) => item.checkVisibility());

// Show it below or above `anchor` (a DOMRect), inside the window. On phones it is at the bottom (session.css).
export function openNear(popover, anchor) {
  if (!popover.matches(":popover-open")) popover.showPopover();
  const { width, height } = popover.getBoundingClientRect();
  const within = (place, size, room) => Math.max(GAP, Math.min(place, room - size - GAP));
  const isBelow = anchor.bottom + height + GAP < innerHeight || anchor.top < height + GAP;
  popover.style.setProperty("--x", `${within(anchor.left, width, innerWidth)}px`);
  popover.style.setProperty("--y", `${within(isBelow ? anchor.bottom : anchor.top - height, height, innerHeight)}px`);
}

// A dialog with buttons, in the middle. `focused`: gets the focus.
export function openDialog(popover, focused) {
  popover.showPopover();
  focusLater()(focused);
}

// Make a popover that contains one element with the role menu work like one. `choose(item)` is called for the item that
// the user presses, while it is still open.
export function useMenu(popover, choose) {
  popover.popover = "auto";
  const menu = popover.matches("[role=menu]") ? popover : popover.querySelector("[role=menu]");
  onPress(menu, ({ target }) => {
    const item = target.closest("[role=menuitem]");
    if (item) choose(item);
  });
  menu.addEventListener("keydown", (event) => {
    const items = itemsOf(menu);
    const at = items.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: -1 };
    if (event.key === "Tab" || event.key === "Escape") popover.hidePopover();
    if (!(event.key in next)) return;
    event.preventDefault();
    focusLater()(items.at(next[event.key] % items.length));
  });
}

// Open it. `isHeld`: by a finger that is still down, whose end must neither close it nor choose what is below.
export function openMenu(popover, anchor, isHeld = false) {
  popover.popover = isHeld ? "manual" : "auto";
  popover.inert = isHeld;
  openNear(popover, anchor);
  const begin = () => {
    if (isHeld && !popover.inert) return;
    popover.inert = false;
    focusLater()(itemsOf(popover)[0]);
  };
  if (!isHeld) return begin();
  const ends = new AbortController();
  const listen = (target, name, heard) => target.addEventListener(name, heard, { capture: true, signal: ends.signal });
  for (const name of ["pointerup", "pointercancel"]) listen(globalThis, name, () => setTimeout(begin, AFTER_UP));
  listen(globalThis, "pointerdown", ({ target }) => popover.contains(target) || popover.hidePopover());
  listen(popover, "toggle", ({ newState }) => newState === "closed" && ends.abort());
  return setTimeout(begin, LONGEST_PRESS);
}

// `open()` opens the popover; it was closed by the press itself if it was open for this button.
export function onToggle(button, popover, open) {
  let wasOpen = false;
  button.addEventListener("pointerdown", () => { wasOpen = popover.matches(":popover-open"); }, true);
  onPress(button, ({ detail }) => {
    if (!(wasOpen && detail)) open(); // detail: 0 for a key
    wasOpen = false;
  });
}

// Fill in the user’s name, also into the fields from which a password manager learns whose PIN it is.
export function showUsername(root, username) {
  for (const element of root.querySelectorAll("[data-username]")) {
    element[element.localName === "input" ? "value" : "textContent"] = username;
  }
}

// A link that saves text as a file; the text stays in this browser.
export function offerDownload(link, filename, text) {
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = filename;
}

// Copy text, and show on the button for a moment whether that worked.
export async function copyFrom(button, text) {
  const label = (button.dataset.label ??= button.textContent);
  button.textContent = await navigator.clipboard.writeText(text).then(() => say("copied"), () => say("not-copied"));
  setTimeout(() => { button.textContent = label; }, 2000);
}

// Show in the element why something failed to load, with a button to try again.
export function offerAgain(element, sentence, work) {
  const again = Object.assign(document.createElement("button"), { type: "button", textContent: say("try-again") });
  onPress(again, work);
  element.role = "status";
  element.replaceChildren(sentence, " ", again);
  element.hidden = false;
}

// Draw a QR code here, since a server could draw a different one.
export function drawQr(canvas, text) {
  generate(text).toCanvas(canvas, { on: [0, 0, 0, 255], off: [255, 255, 255, 255] });
  canvas.hidden = false;
}
