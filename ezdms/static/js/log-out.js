// <log-out>: asks once, then ends the session and erases everything in this browser.

import { focusLater, onPress, showAlert } from "./dom.js";
import { eraseAndLeave } from "./session.js";
import { postForm } from "./server.js";

customElements.define("log-out", class extends HTMLElement {
  connectedCallback() {
    const [ask, stay, leave] = this.querySelectorAll("button");
    const question = this.querySelector(".question");
    const show = (isAsked, focused) => {
      const focus = focusLater();
      [question.hidden, ask.hidden, stay.hidden, leave.hidden] = [!isAsked, isAsked, !isAsked, !isAsked];
      showAlert(this);
      focus(focused);
    };
    addEventListener("online", () => showAlert(this));
    onPress(ask, () => show(true, stay));
    onPress(stay, () => show(false, ask));
    onPress(leave, async () => {
      const end = () => postForm("/logout").catch((error) => { if (error.status !== 401) throw error; }); // had ended
      await eraseAndLeave("logged_out", end).catch((error) => showAlert(this, error.message));
    });
  }
});
