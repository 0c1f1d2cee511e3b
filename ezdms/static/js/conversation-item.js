// <conversation-item>: one line of the list. A newer one takes the place of its older twin at the top; the link itself
// stays the same element, so that a click is not lost when a message arrives in the middle of it.

customElements.define("conversation-item", class extends HTMLElement {
  connectedCallback() {
    if (this.placed) return; // moving it connects it again
    this.placed = true;
    const list = this.parentElement;
    const twin = [...list.children].find((line) => line !== this && line.id === this.id);
    if (!twin) return;
    twin.dataset.lastSeq = Math.max(this.dataset.lastSeq, twin.dataset.lastSeq);
    twin.querySelector("a").replaceChildren(...this.querySelector("a").childNodes);
    this.remove();
    if (twin !== list.firstElementChild) list.prepend(twin);
  }
});
