// After the page has loaded, the server only sends data: elements without text, whose attributes have an exact form
// (templates/fragments). If one node is malformed, the whole fragment is rejected, with an alert. Accepted nodes are
// copied, so that no parsed node becomes part of the page. All text is rendered by our elements.

import "./shell.js";
import htmx from "../vendor/htmx-4.0.1.esm.min.js";
import { showPageAlert } from "./dom.js";
import { say } from "./words.js";


const isNumber = (text) => /^(0|[1-9]\d{0,15})$/.test(text) && Number.isSafeInteger(Number(text));
const isMoment = (text) => isNumber(text) && Number(text) <= 253402300799999; // ms, to the end of the year 9999
const isCounter = (text) => isNumber(text) && text !== "0";
const isEmpty = (text) => text === "";
const matches = (pattern) => (text) => pattern.test(text);
const isConversation = matches(/^[0-9A-HJKMNP-TV-Z]{24}$/);
const isId = matches(/^[\w-]{22}$/);
const isHash = matches(/^[\w-]{43}$/);
const isHashIfAny = matches(/^([\w-]{43})?$/);
const isJws = matches(/^[\w-]{1,128}\.[\w-]{1,8000}\.[\w-]{86}$/);
const isGone = matches(/^(replaced|expired|hidden|blocked|retention)$/);
const isAddress = matches(/^[0-9a-fA-F.:]{0,45}$/);
const isJwe = matches(/^[\w-]{1,256}\.[\w-]{342}\.[\w-]{16}\.[\w-]{1,100000}\.[\w-]{22}$/);
const isSignal = matches(/^[\w-]{126}\.[\w-]{342}\.[\w-]{16}\.[\w-]{1103}\.[\w-]{22}$/);
const BROWSER = "Edge|Opera|Samsung Internet|Firefox|Chrome|Safari";
const SYSTEM = "iPhone|iPad|Android|ChromeOS|Windows|Mac|Linux";
const isDevice = matches(RegExp(`^((${BROWSER})( on (${SYSTEM}))?|Unknown browser|[A-Za-z0-9_.-]{1,40})$`));

// By element: its place and attributes; those that begin with ? are optional.
const FRAGMENTS = {
  "conversation-item": {
    place: "#conversations",
    "data-conversation-id": isConversation, "data-last-seq": isNumber, "data-last-at": isMoment,
    "data-unread": isNumber, "?data-left": isEmpty, "?data-statement": isJws,
  },
  "thread-facts": {
    place: ".rows",
    "data-conversation-id": isConversation, "data-last-seq": isNumber, "data-unread": isNumber, "data-own-n": isNumber,
    "data-own-hash": isHashIfAny, "?data-left": isEmpty, "?data-statement": isJws,
    "?data-found-by": matches(/^search_pin$/), "?data-pin-at": isMoment,
  },
  "older-messages": { place: ".rows", "data-before": isCounter },
  "message-row": {
    place: ".rows",
    "data-seq": isCounter, "data-n": isCounter, "data-hash": isHash, "data-suite": isCounter, "data-message-id": isId,
    "data-at": isMoment, "?data-own": isEmpty, "?data-sealed": isJwe, "?data-expires-in": isCounter,
    "?data-replaces": isId, "?data-gone": isGone, "?data-mark": isJws, "?data-file": isId,
  },
  "message-preview": {
    place: "#conversations",
    "data-conversation-id": isConversation, "data-seq": isCounter, "data-n": isCounter, "data-hash": isHash,
    "data-suite": isCounter, "data-message-id": isId, "data-at": isMoment, "?data-own": isEmpty, "?data-sealed": isJwe,
    "?data-expires-in": isCounter, "?data-replaces": isId, "?data-gone": isGone, "?data-mark": isJws,
    "?data-file": isId,
  },
  "signal-arrived": {
    place: "#conversations",
    "data-conversation-id": isConversation, "data-slot": matches(/^(delivered|read)?$/), "data-sealed": isSignal,
  },
  "vault-stored": { place: "#conversations", "data-version": isCounter },
  "device-item": {
    place: "#devices",
    "data-session-id": isId, "data-browser": isDevice,
    "data-address": isAddress, "data-created-at": isMoment, "data-used-at": isMoment,
    "?data-current": isEmpty,
  },
};
const WAYS = { "#conversations": ["afterbegin"], ".rows": ["beforeend"], "#devices": ["innerHTML"] };

// What htmx removes from a text before it can be checked. Our fragments contain none of it.
const TAKEN_APART = /<(head|title|template|script|hx-(?!partial[\s>]))/i;

const isBlank = (node) => node.nodeType === Node.TEXT_NODE && !node.data.trim();

// A copy of one element, or null if it is malformed.
function copyElement(node, place) {
  const shape = FRAGMENTS[node.localName];
  if (shape?.place !== place || ![...node.childNodes].every(isBlank)) return null;
  const copy = document.createElement(node.localName);
  for (const { name, value } of node.attributes) {
    const known = /^data-/.test(name) && [name, `?${name}`].find((each) => each in shape);
    if (!known || !shape[known](value)) return null;
    copy.setAttribute(name, value);
  }
  const isWhole = Object.keys(shape).every((name) => name === "place" || name[0] === "?" || copy.hasAttribute(name));
  return isWhole ? copy : null;
}

// A copy of a task's fragment, or null if a node is malformed or does not belong in this place.
function copyFragment({ type, target, swapSpec, fragment }) {
  const copy = document.createDocumentFragment();
  const nodes = [...fragment.childNodes].filter((node) => !isBlank(node));
  if (type === "main" && swapSpec.style === "none") return nodes.length ? null : copy;
  if (type === "oob" || Object.keys(swapSpec).some((name) => name !== "style")) return null;
  // Without a target nothing happens, but the form is still checked.
  const fits = (place) => WAYS[place].includes(swapSpec.style) && (!target || target.matches?.(place));
  const places = Object.keys(WAYS).filter(fits);
  for (const node of nodes) {
    const element = places.map((place) => copyElement(node, place)).find(Boolean);
    if (!element) return null;
    copy.append(element);
  }
  return places.length ? copy : null;
}

// Trusted Types: the page's only policy. What htmx parses is kept apart until it is copied (below).
const POLICY = { createHTML: (text) => text, createScript: () => "", createScriptURL: () => "/static/js/worker.js" };
const policy = globalThis.trustedTypes?.createPolicy("ezdms", POLICY) ?? POLICY;
export const WORKER = policy.createScriptURL(""); // the only worker (notifications.js)
const noCode = () => { throw new Error("Expected text that does not become code."); };
delete Document.parseHTMLUnsafe; // creates shadow roots; htmx uses DOMParser instead, which does not

// The only configuration: overwrites any from the document.
for (const name of Object.keys(htmx.config)) delete htmx.config[name];
Object.assign(htmx.config, {
  logAll: false, prefix: "", transitions: false, history: false, mode: "same-origin", defaultSwap: "none",
  defaultFocusScroll: false, indicatorClass: "htmx-indicator", requestClass: "htmx-request", includeIndicatorCSS: false,
  defaultTimeout: 30000, extensions: "",
  noSwap: [204, 304, "4xx", "5xx"], implicitInheritance: false, defaultSettleDelay: 1, allowEmptySwapAfterOOB: false,
});
htmx.registerExtension("ezdms", {
  init: (api) => api.initSecurity(policy, noCode, noCode),
  htmx_config_request: () => false, // only server.js sends requests: htmx attributes and response headers are ignored
  htmx_before_process: () => false,
  htmx_before_swap: (element, { tasks }) => {
    const copies = tasks.map(copyFragment);
    if (copies.includes(null)) {
      tasks.length = 0;
      leaveOut();
    }
    tasks.forEach((task, i) => { task.fragment = copies[i]; });
  },
});

let leftOut = 0;
function leaveOut() {
  leftOut += 1;
  showPageAlert(say("out-of-place"));
}

// Insert a fragment from the server. Socket frames (`target` null) name their own place. Resolves to whether it was
// accepted.
export async function swapIn(text, target = null, swap = "none") {
  const before = leftOut;
  if (typeof text !== "string" || TAKEN_APART.test(text)) leaveOut();
  else {
    const element = target ?? document.body;
    await htmx.swap({ sourceElement: element, target: element, swap, text }).catch(leaveOut); // could not be parsed
  }
  return leftOut === before;
}
