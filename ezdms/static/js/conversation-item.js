// <conversation-item>: one line of the list. Where a newer one is put, its older twin goes with the newer content; the
// link itself stays the same element, so that a click is not lost when a message arrives in the middle of it.

import { loadContact } from "./keystore.js";

customElements.define("conversation-item", class extends HTMLElement {
  connectedCallback() {
    if (this.placed) return; // moving it connects it again
    this.placed = true;
    this.#nameWhoLeft();
    const twin = [...this.parentElement.children].find((line) => line !== this && line.id === this.id);
    if (!twin) return;
    if (Number(this.dataset.lastSeq) < Number(twin.dataset.lastSeq)) return this.remove(); // overtaken on its way
    twin.dataset.lastSeq = this.dataset.lastSeq;
    twin.querySelector("a").replaceChildren(...this.querySelector("a").childNodes);
    if (twin === this.nextElementSibling) this.remove();
    else this.replaceWith(twin);
  }

  // The server has forgotten the name of somebody who left; this browser has not.
  async #nameWhoLeft() {
    if (!this.hasAttribute("data-left")) return;
    const who = this.querySelector(".who");
    const contact = await loadContact(this.id.slice("conversation-".length));
    if (contact) who.textContent = `${contact.name} (left)`;
  }
});
