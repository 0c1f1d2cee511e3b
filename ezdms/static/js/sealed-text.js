// <sealed-text sealed="…">: opens its envelope into its own text. Plain text enters the page here,
// by textContent alone.

customElements.define("sealed-text", class extends HTMLElement {
  async connectedCallback() {
    if (this.opened) return;
    this.opened = true;
    const row = this.closest("message-row");
    const thread = this.closest("message-thread");
    if (!row?.isConnected || !thread) return;
    const { verdict, message, failure } = await thread.open(row, this.getAttribute("sealed"));
    if (verdict === "duplicate") return row.remove(); // the same message handed over twice
    if (verdict === "gap") row.toggleAttribute("data-gap", true);
    if (failure) return this.#fail(failure, "failed");
    if (message.gone) return this.#fail("This message is gone: it was deleted or has expired.", "gone");
    if (message.kind === "text") this.textContent = message.text;
    else this.#fail("Needs a newer version of EZ-DMS", "failed");
    this.removeAttribute("sealed"); // opened: the page need not hold it twice
  }

  #fail(sentence, state) {
    this.textContent = sentence;
    this.closest("message-row").toggleAttribute(`data-${state}`, true);
  }
});
