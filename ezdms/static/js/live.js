// The WebSocket is only a shortcut: after every (re)connect the page fetches what it missed, in the list and in the
// thread, so that a lost frame loses nothing. A connection can be dead without being closed, so the page asks for an
// answer whenever it is quiet, and whenever there is a reason to doubt.

import { endRequests, PLACE } from "./first.js";
import { swapIn } from "./guard.js";
import { pauseAfter } from "./server.js";
import { leave } from "./session.js";
import { say } from "./words.js";

const QUIET = 10000; // ms without a frame until the page asks
const ANSWER = 8000; // ms to answer, or to connect
const SOON = 4000; // ms to answer if there is a reason to doubt
const TICK = 2000; // ms between checks
const SLEPT = 8000; // ms between two checks: the device slept
const AGAIN = 2; // tries without a frame until news are fetched without a socket
const PING = '{"event":"ping"}';
const PONG = '{"event":"pong"}';
const SESSION_ENDED = 1008;
const OPEN_ENDED = 4000; // another program may use the port afterwards, so no more requests are sent
const SILENT = 0; // not a close code: no answer

let socket = null; // the one in use; frames of others are ignored
let due = Infinity; // when the answer must be here (performance.now)
let heard = 0; // when the last frame arrived
let checked = Date.now(); // unlike performance.now, this goes on while the device sleeps
let attempt = 0; // tries since the last frame
let wasLost = false;
let isOver = false;
let pausing; // timer
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

// Send a frame, if there is a connection.
export function sendFrame(frame) {
  if (isOpen()) socket.send(JSON.stringify(frame));
}

// While any page of the user can be seen, no push tells of new messages.
const sayVisible = () => sendFrame({ event: document.hidden ? "hidden" : "visible" });

function tellLost() {
  wasLost = true;
  tell(navigator.onLine ? say("connection-lost") : say("connection-offline"));
}

// The server answers: only now is it certain that there is a connection.
function hear() {
  heard = performance.now();
  due = Infinity;
  attempt = 0;
  if (!wasLost) return;
  wasLost = false;
  tell(say("connection-back"));
  setTimeout(() => wasLost || tell(""), 2000);
}

function ask(within) {
  if (due === Infinity) socket.send(PING);
  due = Math.min(due, performance.now() + within);
}

// There is a reason to doubt: the device woke, the user is back, or the network has changed.
function look() {
  if (isOpen()) ask(SOON);
  else if (!socket) open();
}

function tick() {
  const hasSlept = Date.now() - checked > SLEPT;
  checked = Date.now();
  if (performance.now() > due) {
    socket.close();
    closed(SILENT);
  } else if (hasSlept || (isOpen() && due === Infinity && performance.now() - heard > QUIET)) {
    if (hasSlept) look();
    else ask(ANSWER);
  }
}

// Frames are processed one by one.
let taken = Promise.resolve();
const take = (frame) => {
  taken = taken.then(() => swapIn(frame)).then(page.onFrame).catch(() => {});
};

function closed(code, reason) {
  socket = null;
  due = Infinity;
  if (code === SESSION_ENDED) return leave(reason); // the session was ended, here or elsewhere
  if (code === OPEN_ENDED) {
    isOver = true;
    endRequests();
    return tell(say("connection-stopped"));
  }
  tellLost();
  // Nobody else lost this connection at the same moment, if it was only silent.
  pausing = setTimeout(open, code === SILENT && !attempt ? 0 : pauseAfter(attempt, Math.random()));
  if (attempt >= 1) page.check().then(() => attempt > AGAIN && page.onConnect(), (error) => {
    if (error.status === 401) leave(); // session ended
  });
  attempt += 1;
}

function open() {
  clearTimeout(pausing);
  if (isOver) return;
  const address = new URL("/ws", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  if (PLACE) address.search = `place=${PLACE}`;
  const opening = new WebSocket(address);
  const on = (name, work) => opening.addEventListener(name, (event) => opening === socket && work(event));
  socket = opening;
  due = performance.now() + ANSWER;
  on("open", () => {
    due = Infinity;
    ask(ANSWER);
    sayVisible();
    join();
    page.onConnect();
  });
  on("message", ({ data }) => {
    hear();
    if (data !== PONG) take(data);
  });
  on("close", ({ code, reason }) => closed(code, reason));
}

export function connect(given) {
  page = given;
  open();
  setInterval(tick, TICK);
  addEventListener("offline", tellLost);
  for (const name of ["online", "focus", "pageshow"]) addEventListener(name, look);
  document.addEventListener("visibilitychange", () => {
    sayVisible();
    join();
    look();
  });
  addEventListener("pagehide", () => socket?.close(1000));
  addEventListener("pageshow", (event) => event.persisted && location.reload()); // its socket was closed at pagehide
}
