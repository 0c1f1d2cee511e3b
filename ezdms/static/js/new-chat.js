// “New chat”: the form to start a conversation, and the user's own Search PIN. Open by itself while there are no
// conversations.

import { focusLater, onPress } from "./dom.js";

let button;
let panel; // a <dialog>, not modal: the list stays usable
let isEmpty = false; // there are no conversations
let isAsked = false; // the user opened or closed it

const field = () => panel.querySelector("input");

function show(isOpen) {
  panel.open = isOpen;
  button.ariaExpanded = String(isOpen);
}

// Opens or closes it for the user.
export function openNewChat(isOpen = true, focus = focusLater()) {
  if (!panel) return;
  isAsked = true;
  show(isOpen);
  if (isOpen) focus(field());
}

// Open it by itself while the list is empty. If it is in use when the first conversation arrives, it stays.
export function openWhileEmpty(isNowEmpty) {
  if (!panel || isNowEmpty === isEmpty) return;
  isEmpty = isNowEmpty;
  const isInUse = isAsked || field().value || panel.contains(document.activeElement);
  if (!isInUse) show(isEmpty);
}

// A shortcut of the installed page (manifest.webmanifest) opens it.
export function openForShortcut() {
  if (location.hash !== "#new-chat") return;
  history.replaceState(history.state, "", location.pathname);
  openNewChat();
}

export function useNewChat(page) {
  [button, panel] = ["#to-new-chat", "#new-chat"].map((id) => page.querySelector(id));
  onPress(button, () => openNewChat(isEmpty || !panel.open));
  for (const element of [button, panel]) {
    element.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || !panel.open) return;
      openNewChat(false);
      focusLater()(button);
    });
  }
}
