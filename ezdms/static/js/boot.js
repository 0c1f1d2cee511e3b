// Starts the page: htmx and its WebSocket in one module, then our elements, then what they share: socket and session.

import "../vendor/htmx-4.0.1.esm.min.js";
import "../vendor/hx-ws-4.0.1.min.js";
import "./local-time.js";
import "./conversation-item.js";
import "./message-thread.js"; // before what stands inside it
import "./message-composer.js";
import "./message-log.js";
import "./message-row.js";
import "./sealed-text.js";
import "./create-account.js";
import "./log-in.js";
import "./my-search-pin.js";
import "./start-conversation.js";
import { showPageAlert } from "./dom.js";
import { forgetEverything } from "./keystore.js";
import { getFragment, postForm } from "./server.js";
import { hasNewPin } from "./welcome-card.js";

const { userId } = document.body.dataset; // set when somebody is logged in
const thread = document.querySelector("message-thread");
const connection = document.getElementById("connection");

if (userId && hasNewPin() && location.pathname !== "/welcome") location.replace("/welcome");

// Gone at logout: the session on the server, and here keys, contacts and unsent messages.
async function leave() {
  await forgetEverything();
  sessionStorage.clear();
  location.assign("/");
}
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

// The socket is a courtesy: after every (re)connect the page asks for what it missed, in the list and in the thread.
async function renewList() {
  const text = await getFragment(`/conversations/${userId}`);
  const list = document.getElementById("conversations");
  await window.htmx.swap({ sourceElement: list, target: list, swap: "afterbegin", select: "conversation-item", text });
}
const join = () => socket?.readyState === WebSocket.OPEN && thread && !document.hidden
  && socket.send(JSON.stringify({ event: "join", conversation_id: thread.conversation }));
let socket;
let read = 0; // the highest seq that was seen here
document.addEventListener("htmx:ws:after:connection", ({ detail }) => {
  socket = detail.connection.socket;
  read = 0; // whatever is missing is asked for again
  connection.textContent = "";
  join();
  renewList().catch(() => {}); // tried again after the next connect
  thread?.querySelector("message-composer").flush();
});
document.addEventListener("htmx:ws:after:message:incoming", () => {
  const line = thread && document.getElementById(`conversation-${thread.conversation}`);
  const last = Number(line?.dataset.lastSeq ?? 0);
  if (!thread || last <= read) return;
  read = last;
  thread.catchUp(last).catch(() => {}); // tried again after the next connect
  join(); // seen: whoever looks at the conversation has read it
});
document.addEventListener("htmx:ws:close", async ({ detail }) => {
  if (detail.code === 1008) return leave(); // this session was ended, here or elsewhere
  connection.textContent = "Connection lost. Reconnecting…";
  if (detail.connection.attempt < 2) return;
  await renewList().catch((error) => error.status === 401 && leave()); // ended while we were away
});
document.addEventListener("visibilitychange", join);
addEventListener("pageshow", (event) => event.persisted && location.reload()); // its socket was closed when it was left

if (!isSecureContext || !globalThis.crypto?.subtle) {
  showPageAlert("This page was opened without encryption (http), so the browser switches off "
    + "the functions that protect your messages. Open it with https, or on the machine it runs on as localhost.");
  for (const control of document.querySelectorAll("input, button, textarea")) control.disabled = true;
}
