// <conversation-item>: one line of the list. When a newer one is inserted, the existing element takes its data and, if
// there is a message more, its place. The link stays the same element, so that a click is not lost when one arrives.

import { showAvatar } from "./avatar.js";
import { findName, isCurrent, personOf, standIn } from "./conversation-list.js";
import { moveBefore } from "./dom.js";
import { instantiate } from "./shell.js";

const LATEST = ["lastSeq", "lastAt", "unread"];

customElements.define("conversation-item", class extends HTMLElement {
  connectedCallback() {
    if (this.placed) return; // moving it connects it again
    this.placed = true;
    const twin = standIn(this);
    if (!twin) return this.#draw();
    if (this.dataset.statement) twin.dataset.statement = this.dataset.statement;
    const more = Number(this.dataset.lastSeq) - Number(twin.dataset.lastSeq);
    if (more < 0) return this.remove(); // outdated
    // The same messages, but perhaps read meanwhile: never the other way around.
    if (!more) this.dataset.unread = Math.min(this.dataset.unread, twin.dataset.unread);
    for (const name of LATEST) twin.dataset[name] = this.dataset[name];
    twin.toggleAttribute("data-left", this.hasAttribute("data-left"));
    twin.showFacts();
    if (more && twin !== this.nextElementSibling) moveBefore(twin, this);
    this.remove();
  }

  get conversation() {
    return this.dataset.conversationId;
  }

  #draw() {
    this.role = "listitem";
    this.append(instantiate("conversation-item"));
    this.unread = this.querySelector(".unread");
    this.querySelector("a").href = `/c/${this.conversation}`;
    this.showCurrent(isCurrent(this.conversation));
    this.showFacts();
  }

  showFacts() {
    const { lastAt, unread } = this.dataset;
    this.querySelector("local-time").show(Number(lastAt));
    this.unread.querySelector(".count").textContent = unread;
    if (unread === "0") this.unread.remove();
    else this.querySelector("a").append(this.unread);
    this.showName();
  }

  // The name as it was signed. A deleted account has no statement, but this browser may know the name.
  showName() {
    const { name, ik } = personOf(this.conversation) ?? {};
    const isGone = this.hasAttribute("data-left");
    if (name === undefined && this.dataset.statement) findName(this);
    showAvatar(this.querySelector(".avatar"), name, ik);
    const deleted = name ? `${name} (deleted account)` : "Deleted account";
    this.querySelector(".who").textContent = isGone ? deleted : name ?? "…";
  }

  showCurrent(isOpen) {
    const link = this.querySelector("a");
    if (isOpen) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
});
