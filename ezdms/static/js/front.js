// The front page, shown at every address to anyone who is not logged in.

import { replacePage } from "./dom.js";
import { drawable } from "./fonts.js";
import { addedPin } from "./start-conversation.js";
import { endSession, whyEnded, whyLeft } from "./session.js";
import { HOST, instantiate } from "./shell.js";

const KEPT = " Any drafts and unsent messages are kept in this browser, encrypted, until you log in again.";
const REASONS = { // by the reason with which the server closed the socket, or by what this page did
  logged_out: "You logged out. Your keys, drafts and unsent messages were erased from this browser.",
  deleted_here: "Your account was deleted, and everything about it was erased from this browser.",
  elsewhere: `This device was logged out from another device.${KEPT}`,
  host: `This device was logged out by whoever runs this server.${KEPT}`,
  pin_changed: `Your Login PIN was changed on another device. Log in with the new one.${KEPT}`,
  deleted: "This account was deleted, from another device or by whoever runs this server.",
  expired: `You were logged out because this browser was not used for 90 days.${KEPT}`,
  ended: `You were logged out, perhaps from another device, or because your Login PIN was changed.${KEPT}`,
};
export const reasonOf = (name) => (Object.hasOwn(REASONS, name) ? REASONS[name] : name && REASONS.ended);

// The server no longer knows the session.
export async function showEnded() {
  await endSession(whyEnded()).catch(() => {});
  showFront(reasonOf(whyLeft()));
}

export function showFront(why = "") {
  const front = instantiate("front");
  const find = (selector) => front.querySelector(selector);
  find("[data-host-name]").textContent = HOST.name;
  find("[data-host-notice]").textContent = HOST.notice;
  find("[data-host-notice]").hidden = !HOST.notice;
  find("[data-why]").textContent = why;
  find("[data-why]").hidden = !why;
  find("[data-added]").hidden = addedPin() === null;
  find("[data-runs-on]").hidden = HOST.name === "EZ-DMS";
  find("[data-closed]").hidden = HOST.registration !== "closed";
  if (HOST.registration === "closed") find("create-account").remove();
  else if (HOST.registration !== "invite") find(".invited").remove();
  drawable(HOST.name + HOST.notice);
  document.title = HOST.name;
  document.body.className = "front";
  replacePage(front);
}
