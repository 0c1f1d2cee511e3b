// <thread-facts>: what the server says of a conversation, beside its newest rows.
customElements.define("thread-facts", class extends HTMLElement {
  connectedCallback() {
    this.closest("message-thread").begin({ ...this.dataset });
    this.remove();
  }
});
