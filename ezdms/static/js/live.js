// The WebSocket is only a shortcut: after every (re)connect the page fetches what it missed, in the list and in the
// thread, so that a lost frame loses nothing.

import { endRequests } from "./first.js";
import { swapIn } from "./guard.js";
import { leave } from "./session.js";

const FIRST_PAUSE = 250; // ms before reconnecting, doubled with each try, up to
const LONGEST_PAUSE = 10000;
const SESSION_ENDED = 1008;
const OPEN_ENDED = 4000; // another program may use the port afterwards, so no more requests are sent
const OFFLINE = "You are offline. Your messages are queued until you are connected again.";

let socket;
let attempt = 0;
let wasLost = false;
let page; // {status, thread, onConnect, onFrame, check}, from boot.js

const isOpen = () => socket?.readyState === WebSocket.OPEN;
const tell = (sentence) => { page.status.textContent = sentence; };

// The user is looking at the conversation: its messages arrive live, and count as read.
export function join() {
  const conversation = page?.thread()?.conversation;
  if (!conversation || document.hidden || !isOpen()) return;
  socket.send(JSON.stringify({ event: "join", conversation_id: conversation }));
}

export function unjoin(conversation) {
  if (isOpen()) socket.send(JSON.stringify({ event: "leave", conversation_id: conversation }));
}

function tellLost() {
  wasLost = true;
  tell(navigator.onLine ? "Connection lost. Reconnecting…" : OFFLINE);
}

// Frames are processed one by one.
let taken = Promise.resolve();
const take = (frame) => {
  taken = taken.then(() => swapIn(frame)).then(page.onFrame).catch(() => {});
};

async function closed(code) {
  if (code === SESSION_ENDED) return leave(); // the session was ended, here or elsewhere
  if (code === OPEN_ENDED) {
    endRequests();
    return tell("“ezdms open” has stopped. Start it again, and use the address it prints.");
  }
  tellLost();
  if (attempt >= 1) await page.check().catch((error) => error.status === 401 && leave()); // session ended
  const pause = Math.min(FIRST_PAUSE * 2 ** attempt, LONGEST_PAUSE) * (0.7 + 0.6 * Math.random());
  attempt += 1;
  setTimeout(open, pause);
}

function open() {
  const address = new URL("/ws", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const opening = new WebSocket(address);
  socket = opening;
  opening.addEventListener("open", () => {
    attempt = 0;
    tell(wasLost ? "Connected again." : "");
    setTimeout(() => isOpen() && tell(""), 2000);
    wasLost = false;
    join();
    page.onConnect();
  });
  opening.addEventListener("message", ({ data }) => take(data));
  opening.addEventListener("close", ({ code }) => closed(code));
}

export function connect(given) {
  page = given;
  open();
  addEventListener("offline", tellLost);
  addEventListener("online", () => wasLost && isOpen() && tell("Connected again."));
  document.addEventListener("visibilitychange", join);
  addEventListener("pagehide", () => socket.close(1000));
  addEventListener("pageshow", (event) => event.persisted && location.reload()); // its socket was closed at pagehide
}
