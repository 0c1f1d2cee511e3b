// <sealed-text sealed="…">: opens its envelope into its own text. Plain text enters the page here, as text nodes alone.

const LINK = /\bhttps?:\/\/[^\s<>"]*[^\s<>"'.,:;!?()[\]{}]/giu; // without the punctuation after it

// The text, with its links as elements that tell the other site nothing.
function* withLinks(text) {
  let at = 0;
  for (const { 0: address, index } of text.matchAll(LINK)) {
    if (!URL.canParse(address)) continue;
    const link = Object.assign(document.createElement("a"), {
      href: address, target: "_blank", rel: "noopener noreferrer", textContent: address,
    });
    yield text.slice(at, index);
    yield link;
    at = index + address.length;
  }
  yield text.slice(at);
}

customElements.define("sealed-text", class extends HTMLElement {
  async connectedCallback() {
    if (this.opened) return;
    this.opened = true;
    const row = this.closest("message-row");
    const thread = this.closest("message-thread");
    if (!row?.isConnected || !thread) return;
    const { verdict, message, failure } = await thread.open(row, this.getAttribute("sealed"));
    if (verdict === "duplicate") return row.remove(); // the same message handed over twice
    if (failure) return this.#fail(failure, "failed");
    if (message.gone) return this.#fail("This message is gone: it was deleted or has expired.", "gone");
    if (message.kind === "text") this.replaceChildren(...withLinks(message.text));
    else this.#fail("Needs a newer version of EZ-DMS", "failed");
    this.removeAttribute("sealed"); // opened: the page need not hold it twice
  }

  #fail(sentence, state) {
    this.textContent = sentence;
    this.closest("message-row").toggleAttribute(`data-${state}`, true);
  }
});
