// The one socket is a courtesy: after every (re)connect the page asks for what it missed, in the list and in the
// thread; whatever frame is lost, nothing else is.

import { forgetEverything } from "./keystore.js";
import { getFragment } from "./server.js";

const { userId } = document.body.dataset; // set when somebody is logged in
const thread = document.querySelector("message-thread");
const list = document.getElementById("conversations");
const status = document.getElementById("connection");
const title = document.title;

// Gone at logout: the session on the server, and here keys, contacts, drafts and unsent messages.
export async function leave() {
  await forgetEverything();
  sessionStorage.clear();
  location.assign("/");
}

async function renewList() {
  const text = await getFragment(`/conversations/${userId}`);
  await window.htmx.swap({ sourceElement: list, target: list, swap: "afterbegin", select: "conversation-item", text });
}

// What is unread, in the title: also whoever looks at another tab sees it.
function countUnread() {
  const unread = [...list.querySelectorAll(".unread")].reduce((sum, one) => sum + parseInt(one.textContent, 10), 0);
  document.title = unread ? `(${unread}) ${title}` : title;
}

const OFFLINE = "You are offline. What you send waits until you are back.";
let socket;
let read = 0; // the highest seq that was seen here
let wasLost = false;
const join = () => socket?.readyState === WebSocket.OPEN && thread && !document.hidden
  && socket.send(JSON.stringify({ event: "join", conversation_id: thread.conversation }));
const tell = (sentence) => { status.textContent = sentence; };
const tellLost = () => {
  if (!status) return; // nobody is logged in
  wasLost = true;
  tell(navigator.onLine ? "Connection lost. Reconnecting…" : OFFLINE);
};

document.addEventListener("htmx:ws:after:connection", async ({ detail }) => {
  socket = detail.connection.socket;
  read = 0; // whatever is missing is asked for again
  tell(wasLost ? "You are back." : "");
  setTimeout(() => socket.readyState === WebSocket.OPEN && tell(""), 2000);
  wasLost = false;
  join();
  thread?.querySelector("message-composer").flush();
  await thread?.settled(); // what one reads comes first
  if (list) renewList().catch(() => {}); // tried again after the next connect
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
  tellLost();
  if (detail.connection.attempt < 2) return;
  await getFragment(`/conversations/${userId}`).catch((error) => error.status === 401 && leave()); // ended meanwhile
});
addEventListener("offline", tellLost);
addEventListener("online", () => wasLost && socket?.readyState === WebSocket.OPEN && tell("You are back."));
document.addEventListener("visibilitychange", join);
addEventListener("pageshow", (event) => event.persisted && location.reload()); // its socket was closed when it was left

if (list) {
  new MutationObserver(countUnread).observe(list, { childList: true, subtree: true });
  countUnread();
}
