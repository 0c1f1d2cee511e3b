// The front page, shown at every address to anyone who is not logged in.

import { replacePage } from "./dom.js";
import { drawable } from "./fonts.js";
import { addedPin } from "./start-conversation.js";
import { HOST, instantiate } from "./shell.js";

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
