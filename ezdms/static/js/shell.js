// The document as it arrived is the server's. Before anything else runs, the templates that the release has are copied
// out of it, without whatever acts by itself, and the page begins with an empty body of its own. No element of the
// document stays: no shadow root, no form that could be submitted, no attribute that htmx would obey. What is left is
// compared with what the release has (arrived.js): if one word, label or attribute differs, nothing is put together.

import { STYLES } from "./release.js";

const TAGS = new Set(("a aside button canvas code div fieldset footer form h1 h2 h3 header img input label main nav "
  + "output p section span strong textarea video change-pin create-account delete-account device-list local-time "
  + "log-in message-composer message-log message-thread my-search-pin new-search-pin sealed-text served-builds "
  + "start-conversation welcome-card who-is-this").split(" "));
const VALUES = {
  href: /^\/[a-z-]*$/, src: /^\/static\/[0-9a-f]{12}\/icon\.svg$/, type: /^(button|submit|text|checkbox)$/,
};
const HARMLESS = new Set(("alt aria-controls aria-describedby aria-expanded aria-hidden aria-label aria-labelledby "
  + "autocapitalize autocomplete class dir disabled enterkeyhint for height hidden id maxlength minlength muted "
  + "placeholder playsinline required role rows spellcheck tabindex width data-added data-alarm data-alone data-build "
  + "data-closed data-copy data-do data-host-name data-host-notice data-long data-no-camera data-odd data-runs-on "
  + "data-short data-testid data-trust data-username data-why").split(" "));
const ACTS = ["auxclick", "click", "dblclick", "keydown", "keypress", "submit"]; // what a person does

const IMPORT_MAP = /^{"integrity":{[^{}]*}}$/; // nothing in it leads to another module
const INTEGRITY = /^sha256-[\w+/]{43}=$/;
// What may stand in the head, by tag, and the attributes of each.
const HEAD = {
  meta: { charset: /^utf-8$/, name: /^(viewport|color-scheme|theme-color)$/, content: /^/, media: /^/ },
  title: {},
  link: {
    rel: /^(icon|stylesheet|preload)$/, href: /^\/static\/[0-9a-f]{12}\//, crossorigin: /^$/,
    as: /^fetch$/, type: /^(image\/svg\+xml|font\/woff2)$/, integrity: INTEGRITY,
  },
  script: {
    type: /^(module|importmap)$/, src: /^\/static\/[0-9a-f]{12}\/(js|vendor)\/[\w.-]+\.js$/, async: /^$/,
    integrity: INTEGRITY,
  },
};
// What extensions of browsers (dark modes, password managers) put there before us goes without a word: it does not act.
const OF_EXTENSIONS = /^(class|style|data-(?!hx-)[\w-]+)$/;
const ROOT = { lang: /^[a-z-]*$/ };
const BODY = { "data-host": /^/, "data-notice": /^/, "data-registration": /^/, "data-version": /^/ };
// A page of one's own machine (`ezdms open`) says which server it talks to. No other page has a say in that.
if (location.hostname === "127.0.0.1") BODY["data-server"] = /^https?:\/\/[a-z0-9.:[\]-]+$/;

// What stands there until boot.js has begun, also if it never does: without it the other scripts run alone, and do
// nothing (docs/decisions/pages.md).
const UNSTARTED = "EZ-DMS has not started. Reload the page. If that does not help, your browser is too old for it, or "
  + "a script did not arrive as this version has it and your browser refused to run it: then do not type secrets here.";

const STATIC = /^\/static\/[0-9a-f]{12}\//; // the address of a release's files: it depends on their bytes
const isStyle = (node) => node.localName === "link" && node.rel === "stylesheet";

const templates = new Map();
const parts = []; // what each template was found to hold: see copyInto
let isTampered = false;

// Elements that have a name or id get in front of what the document or their form has itself (<img name=body>): such
// things are asked of the prototype.
const ask = (object, type, name) => Object.getOwnPropertyDescriptor(type.prototype, name).get.call(object);
const isOf = (known, { name, value }) => Object.hasOwn(known, name) && known[name].test(value);
const isKnown = ({ name, value }) => isOf(VALUES, { name, value })
  || (HARMLESS.has(name) && !(name === "id" && value in HTMLFormElement.prototype));

// The same in new nodes, but for what acts and the release does not have. Returns what was copied, to be compared: a
// text, or [name, [[attribute, value], …], [what is inside, …]] of an element (bin/parts describes it the same way).
function copyInto(target, nodes) {
  const copied = [];
  for (const node of nodes) {
    if (node.nodeType === Node.TEXT_NODE) {
      target.append(node.data);
      copied.push(node.data);
    } else if (node.nodeType === Node.COMMENT_NODE) continue;
    else if (!(node instanceof HTMLElement) || !TAGS.has(ask(node, Element, "localName"))) isTampered = true;
    else {
      const [name, attributes] = [ask(node, Element, "localName"), []];
      const copy = document.createElement(name);
      for (const attribute of ask(node, Element, "attributes")) {
        if (isKnown(attribute)) {
          copy.setAttribute(attribute.name, attribute.value);
          attributes.push([attribute.name, attribute.value.replace(STATIC, "/static/")]);
        } else isTampered = true;
      }
      copied.push([name, attributes, copyInto(copy, ask(node, Node, "childNodes"))]);
      target.append(copy);
    }
  }
  return copied;
}

// Of an element's attributes those that are known.
function strip(element, known) {
  for (const { name, value } of [...element.attributes]) {
    if (isOf(known, { name, value })) continue;
    isTampered ||= !OF_EXTENSIONS.test(name);
    element.removeAttribute(name);
  }
}

const belongsInHead = (node) => Object.hasOwn(HEAD, node.localName) && !node.childElementCount
  && (node.localName === "title" || (node.type === "importmap" ? IMPORT_MAP.test(node.textContent) : !node.textContent))
  && [...node.attributes].every((attribute) => isOf(HEAD[node.localName], attribute))
  && (!isStyle(node) || STYLES.includes(node.integrity)); // what a sheet is, the browser compares with that

// Of what stands beside what stays: all is removed, and said unless it is nothing.
function removeFrom(nodes, stays) {
  for (const node of [...nodes]) {
    if (stays(node)) continue;
    const isNothing = node.nodeType === Node.COMMENT_NODE || (node.nodeType === Node.TEXT_NODE && !node.data.trim());
    const isOfExtension = node.localName === "style" || node.name === "darkreader"; // as OF_EXTENSIONS
    isTampered ||= !isNothing && !isOfExtension;
    node.remove();
  }
}

// Nothing of the document stays but its head, as far as the release has it too.
function takeOver() {
  const [root, body, head] = ["documentElement", "body", "head"].map((name) => ask(document, Document, name));
  if (ask(document, Document, "readyState") === "loading" || root.querySelector("meta[http-equiv]")) {
    isTampered = true;
    stop(); // or more would come after what is looked at here, and a refresh would lead away
  }
  // The body goes, and with it whatever has a name; of what else stands here, extensions may have brought it.
  for (const node of [...root.childNodes]) if (node !== head) node.remove();
  removeFrom(ask(document, Node, "childNodes"), (node) => node === root || node.nodeType === Node.DOCUMENT_TYPE_NODE);
  removeFrom(head.childNodes, belongsInHead);
  strip(root, ROOT);
  strip(head, {});
  strip(body, BODY);
  for (const element of body.children) {
    if (element.localName === "template" && element.content && element.id) {
      const fragment = document.createDocumentFragment();
      parts.push([element.id, copyInto(fragment, element.content.childNodes)]);
      templates.set(element.id, fragment);
    } else if (!element.matches("noscript, .unstarted")) isTampered = true;
  }
  const unstarted = Object.assign(document.createElement("p"), { className: "unstarted", textContent: UNSTARTED });
  root.appendChild(document.createElement("body")).append(unstarted);
  return body.dataset;
}

const { host = "EZ-DMS", notice = "", registration = "open", version = "", server = location.origin } = takeOver();
// What the host says to everybody: shown as words, and nothing else; and its address, for links that others open.
export const HOST = { name: host, notice, registration, server };
// What this document says that it is, and the import maps that decide which scripts run in it.
const maps = ask(document, Document, "head").querySelectorAll("script[type=importmap]");
export const BUILD = { version, scripts: Array.from(maps, ({ textContent }) => textContent).join("\n") };

// What is left of the document, to be compared with the release.
const inHead = (selector) => Array.from(ask(document, Document, "head").querySelectorAll(selector));
const styles = inHead("link").filter(isStyle).map(({ integrity }) => integrity);
const scripts = inHead("script[src]").map((script) => script.getAttribute("src").replace(STATIC, "/static/"));
export const ARRIVED = { parts: JSON.stringify([...parts, scripts]), styles };

// What happens on this page is a person's doing: an event that a script made is none.
for (const name of ACTS) {
  addEventListener(name, (event) => {
    if (event.isTrusted) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
}

// A new copy of a template's content.
export function instantiate(name) {
  if (!templates.has(name)) throw new Error(`This page lacks its part “${name}”. Please reload it.`);
  return document.importNode(templates.get(name), true);
}

// Something that acts was found, and taken out.
export const wasTampered = () => isTampered;
