// <thread-facts>: the server's data about a conversation, sent with its newest rows.
customElements.define("thread-facts", class extends HTMLElement {
  connectedCallback() {
    this.closest("message-thread").begin({ ...this.dataset });
    this.remove();
  }
});
