// Starts the page: htmx and its WebSocket in one module, then what is shared, then our elements.

import "../vendor/htmx-4.0.1.esm.min.js";
import "../vendor/hx-ws-4.0.1.min.js";
import "./guard.js";
import { leave } from "./live.js";
import "./local-time.js";
import "./conversation-item.js";
import "./message-thread.js"; // before what stands inside it
import "./message-composer.js";
import "./message-log.js";
import "./message-row.js";
import "./sealed-text.js";
import "./who-is-this.js";
import "./create-account.js";
import "./log-in.js";
import "./my-search-pin.js";
import "./new-search-pin.js";
import "./change-pin.js";
import "./delete-account.js";
import "./start-conversation.js";
import { showPageAlert } from "./dom.js";
import { postForm } from "./server.js";
import { hasNewPin } from "./welcome-card.js";

const { userId } = document.body.dataset; // set when somebody is logged in
if (userId && hasNewPin() && location.pathname !== "/welcome") location.replace("/welcome");

const logOut = document.getElementById("log-out");
logOut?.toggleAttribute("disabled", false);
logOut?.addEventListener("click", async () => {
  try {
    await postForm("/logout");
  } catch (error) {
    if (error.status !== 401) return showPageAlert(error.message); // 401: the session had ended already
  }
  await leave();
});

// What htmx was refused: the sentence that the server gave, as text.
document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  const answer = new DOMParser().parseFromString(ctx.text ?? "", "text/html");
  showPageAlert(answer.querySelector("[role=alert]")?.textContent ?? "Something went wrong. Please try again.");
});

if (!isSecureContext || !globalThis.crypto?.subtle) {
  showPageAlert("This page was opened without encryption (http), so the browser switches off "
    + "the functions that protect your messages. Open it with https, or on the machine it runs on as localhost.");
  for (const control of document.querySelectorAll("input, button, textarea")) control.disabled = true;
}
