// <older-messages data-before="51">: stands where the page before a seq belongs, and loads it before it is in view.

const AHEAD = "800px 0px";

customElements.define("older-messages", class extends HTMLElement {
  connectedCallback() {
    if (this.thread) return;
    this.thread = this.closest("message-thread");
    this.className = "older";
    this.textContent = "Loading earlier messages…";
    const before = Number(this.dataset.before);
    const first = this.thread.rows.firstElementChild;
    if (first !== this) first.before(this);
    const log = this.closest("message-log");
    new IntersectionObserver((seen, observer) => {
      if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      this.#load(before);
    }, { root: log, rootMargin: AHEAD }).observe(this);
  }

  async #load(before) {
    try {
      await this.thread.loadBefore(before);
      this.remove();
    } catch (error) {
      this.textContent = error.message;
      const again = document.createElement("button");
      again.type = "button";
      again.textContent = "Try again";
      again.addEventListener("click", () => { this.textContent = "Loading earlier messages…"; this.#load(before); });
      this.append(" ", again);
    }
  }
});
