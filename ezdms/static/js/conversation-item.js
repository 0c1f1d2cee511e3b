// <conversation-item>: one line of the list. When a newer one is inserted, the existing element takes its data and, if
// there is a message more, its place. The link stays the same element, so that a click is not lost when one arrives.
// And the line of a message that a search found.

import {
  findName, isCurrent, isRenewing, noteOf, personOf, showNameIn, standIn, stateIn,
} from "./conversation-list.js";
import { moveBefore, onPress } from "./dom.js";
import { drawThumb } from "./files.js";
import { isMuted, prefsOf } from "./organizing.js";
import { showAvatar } from "./partner.js";
import { judgeLine, watchLine } from "./previews.js";
import { drawable, piecesOf, withoutMarks } from "./sealed-text.js";
import { instantiate } from "./shell.js";
import { hasWritten } from "./signals.js";
import { say } from "./words.js";

const LATEST = ["lastSeq", "lastAt", "unread"];
const MOST_SHOWN = 120; // code points of a message
const [BEFORE, MOST_FOUND] = [40, 160]; // code units of what was found: before the first word, and in all

customElements.define("conversation-item", class extends HTMLElement {
  #newest = null; // of the conversation's messages (previews.js)
  #said = JSON.stringify(["", "", ""]);
  asked = null; // the seq that was requested last

  connectedCallback() {
    if (this.placed) return; // moving it connects it again
    this.placed = true;
    const twin = standIn(this);
    if (!twin) return this.#draw();
    if (this.dataset.statement) twin.dataset.statement = this.dataset.statement;
    const more = Number(this.dataset.lastSeq) - Number(twin.dataset.lastSeq);
    if (more < 0) { // outdated: what is here is newer than the whole list
      if (isRenewing()) moveBefore(twin, this.parentElement.firstElementChild);
      return this.remove();
    }
    // The same messages, but perhaps read meanwhile: never the other way around.
    if (!more) this.dataset.unread = Math.min(this.dataset.unread, twin.dataset.unread);
    for (const name of LATEST) twin.dataset[name] = this.dataset[name];
    twin.toggleAttribute("data-left", this.hasAttribute("data-left"));
    twin.showFacts();
    if ((more || isRenewing()) && twin !== this.nextElementSibling) moveBefore(twin, this);
    this.remove();
  }

  get conversation() {
    return this.dataset.conversationId;
  }

  #draw() {
    this.role = "listitem";
    this.append(instantiate("conversation-item"));
    [this.unread, this.asks] = [".unread", ".asks"].map((name) => this.querySelector(name));
    this.querySelector("a").href = `/c/${this.conversation}`;
    this.showCurrent(isCurrent(this.conversation));
    this.showFacts();
    watchLine(this);
  }

  // True if the newest message is neither here nor requested.
  get lacksNewest() {
    const { lastSeq } = this.dataset;
    return Number(lastSeq) > (this.#newest?.seq ?? 0) && lastSeq !== this.asked;
  }

  showNewest(newest) {
    if (newest && !newest.isOwn && newest.seq > (this.#newest?.seq ?? 0)) hasWritten(this.conversation);
    this.#newest = newest;
    this.showFacts();
  }

  showFacts() {
    const [{ lastAt }, state] = [this.dataset, stateIn(this.conversation)];
    const unread = state === "blocked" ? "0" : this.dataset.unread;
    this.toggleAttribute("data-quiet", state !== "accepted");
    if (state === "request" && this.dataset.lastSeq !== "0") this.querySelector(".last").before(this.asks);
    else this.asks.remove();
    this.querySelector("local-time").show(this.#newest?.at ?? Number(lastAt)); // the time of what is shown
    const [{ isPinned, isUnread }, isQuiet] = [prefsOf(this.conversation), isMuted(this.conversation)];
    this.toggleAttribute("data-muted", isQuiet);
    this.toggleAttribute("data-marked", isUnread);
    for (const [name, isSo] of [[".muted", isQuiet], [".pinned", isPinned]]) this.querySelector(name).hidden = !isSo;
    this.unread.querySelector(".count").textContent = unread === "0" ? "" : unread;
    if (unread === "0" && !isUnread) this.unread.remove();
    else this.querySelector("a").append(this.unread);
    this.showName();
    this.showLast();
  }

  // One line: the newest message, a draft, or that something was not sent yet.
  showLast() {
    const { draft, unsent, isTyping } = noteOf(this.conversation);
    const { isOwn, text = "", why = "" } = this.#newest ?? {};
    let [by, words] = [isOwn ? say("you") : "", text];
    if (typeof unsent === "string") [by, words] = [say("not-sent-yet"), unsent];
    else if (draft && !isCurrent(this.conversation)) [by, words] = [say("draft"), draft];
    if (stateIn(this.conversation) === "blocked") [by, words] = [say("line-blocked"), ""];
    if (isTyping) [by, words] = [say("typing"), ""];
    const said = JSON.stringify([by, words, why]);
    if (said === this.#said) return; // most lines of a long list say nothing yet
    this.#said = said;
    this.querySelector(".last").dataset.why = words === text ? why : "";
    this.querySelector(".by").textContent = by && words ? `${by}: ` : by;
    const start = withoutMarks(words).slice(0, 2 * MOST_SHOWN).replace(/\s+/g, " ").trim();
    this.querySelector(".words").textContent = [...start].slice(0, MOST_SHOWN).join("");
    drawable(words);
  }

  // The name as it was signed, or the nickname. A deleted account has no statement, but this browser may know the name.
  showName() {
    const { called: name, ik } = personOf(this.conversation) ?? {};
    const isGone = this.hasAttribute("data-left");
    if (name === undefined && this.dataset.statement) findName(this);
    showAvatar(this.querySelector(".avatar"), name, ik);
    const deleted = name ? say("deleted-account", { name }) : say("deleted-account-unknown");
    showNameIn(this.querySelector(".who"), isGone ? deleted : name ?? "…", this.conversation);
    judgeLine(this);
  }

  showCurrent(isOpen) {
    const link = this.querySelector("a");
    if (isOpen) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    this.showLast();
  }
});

// `row`: of a shelf (search-index.js). `within`: the conversation is known. Pressing it calls `open(row)`.
export function foundMessage(row, words, within, open) {
  const element = Object.assign(document.createElement("div"), { role: "listitem" });
  element.append(instantiate("found"));
  const { called = say("unknown-person") } = personOf(row.conversation) ?? {};
  if (within) element.querySelector(".who").textContent = row.isOwn ? say("you") : called;
  else showNameIn(element.querySelector(".who"), called, row.conversation);
  element.querySelector("local-time").show(row.at);
  const by = [row.isOwn && !within && say("you"), row.file && say("found-file")].filter(Boolean);
  element.querySelector(".by").textContent = by.map((each) => `${each}: `).join("");
  const pieces = Array.from(piecesOf(row.text, words, BEFORE, MOST_FOUND), ([text, isFound]) =>
    (isFound ? Object.assign(document.createElement("mark"), { textContent: text }) : text));
  element.querySelector(".words").append(...pieces);
  drawable(row.text);
  const hasThumb = row.kinds.includes("picture") && stateIn(row.conversation) === "accepted"; // of a request, nothing
  if (hasThumb) drawThumb(row.file, element.querySelector("canvas")).catch(() => {});
  onPress(element, () => open(row));
  return element;
}
