// Keyboards: what Enter does, “Skip to content”, and the room that an on-screen keyboard leaves.

import { focusLater } from "./dom.js";
import { remember, remembered } from "./keystore.js";

// Whether Enter sends: not on screens that are touched, whose keyboards have no Shift+Enter.
const touched = matchMedia("(pointer: coarse)");
export const hasKeyboard = () => !touched.matches;
export const entersSend = () => hasKeyboard() && remembered("enter") !== "breaks";

// <enter-sends>: the setting, where there is a choice.
customElements.define("enter-sends", class extends HTMLElement {
  connectedCallback() {
    this.hidden = !hasKeyboard();
    const box = this.querySelector("input");
    box.checked = entersSend();
    box.addEventListener("change", () => {
      remember("enter", box.checked ? "" : "breaks");
      box.checked = entersSend(); // storage may be blocked
    });
  }
});

// Whether this key sends the message. Enter that only ends the composition of a word (of Japanese, say) does not.
// Safari reports it after the composition has ended, but as key 229.
export function isSending({ key, keyCode, isComposing, shiftKey, ctrlKey, metaKey }) {
  if (key !== "Enter" || isComposing || keyCode === 229 || shiftKey) return false;
  return ctrlKey || metaKey || entersSend();
}

// The first button of a page leads past everything that comes before its content.
addEventListener("click", ({ target, isTrusted }) => {
  if (!isTrusted || !target.closest?.(".skip")) return;
  const contents = ["message-log", ".listing #conversations a", "#main h1"].map((each) => document.querySelector(each));
  const content = contents.find((each) => each);
  content.tabIndex = content.tabIndex; // a heading, too, can then have the focus
  focusLater()(content);
});

// On iOS, the on-screen keyboard covers the page instead of resizing it. The page of a conversation is then as high as
// its visible part, so that the message field stays in view.
const [view, root] = [globalThis.visualViewport, document.documentElement];

function fit() {
  const height = view.height * view.scale; // zoomed in does not mean covered
  const isCovered = root.clientHeight - height > 1;
  root.classList.toggle("covered", isCovered);
  if (!isCovered) return root.style.removeProperty("--seen");
  root.style.setProperty("--seen", `${height}px`);
  if (document.body.matches(".session")) scrollTo(0, 0); // iOS scrolled up to show the field, which is higher by now
}
view?.addEventListener("resize", fit);
