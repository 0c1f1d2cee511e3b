// The document comes from the server and is not trusted. Before anything else runs, the release's templates are copied
// from it, without anything active, and the page starts with a new, empty body. No element of the document is kept: no
// shadow root, no form that could be submitted, no attribute that htmx would obey. The copies are compared with the
// release: if one word, label or attribute differs, the page is not shown, since a swapped label could make someone
// type a secret into the wrong field.

import { hashText } from "./crypto.js";
import { LANGUAGES, STYLES } from "./release.js";

const TAGS = new Set(("a aside button canvas code dialog div fieldset footer form h1 h2 h3 header img input label "
  + "main nav option output p progress section select span strong textarea video account-list attach-files "
  + "blocked-people change-pin color-scheme conversation-options create-account delete-account device-list "
  + "enter-sends language-choice local-time log-in log-out message-composer message-log message-menu message-thread "
  + "my-search-pin notification-settings new-search-pin pass-keys report-messages request-card sealed-text "
  + "search-index served-builds signal-settings start-conversation two-step voice-note welcome-card who-is-this"
).split(" "));
const VALUES = {
  href: /^\/[a-z-]*$/, src: /^\/static\/[0-9a-f]{12}\/icon\.svg$/,
  type: /^(button|submit|text|password|checkbox|date)$/,
};
const HARMLESS = new Set(("alt aria-controls aria-describedby aria-expanded aria-haspopup aria-hidden aria-label "
  + "aria-labelledby autocapitalize autocomplete class dir disabled enterkeyhint for height hidden id inputmode lang "
  + "max maxlength minlength muted placeholder playsinline required role rows spellcheck tabindex width data-added "
  + "data-alarm data-alone data-asked data-build data-closed data-copy data-do data-host-name data-host-notice "
  + "data-long data-new-pin data-no-camera data-odd data-runs-on data-short data-testid data-trust data-username "
  + "data-when data-why data-word").split(" "));
const ACTS = ["auxclick", "click", "dblclick", "keydown", "keypress", "submit"]; // user actions

const IMPORT_MAP = /^{"integrity":{[^{}]*}}$/; // cannot redirect to another module
const INTEGRITY = /^sha256-[\w+/]{43}=$/;
// Allowed elements in the head, by tag, with their attributes.
const HEAD = {
  meta: { charset: /^utf-8$/, name: /^(viewport|color-scheme|theme-color)$/, content: /^/, media: /^/ },
  title: {},
  link: {
    rel: /^(icon|apple-touch-icon|manifest|stylesheet|preload)$/, crossorigin: /^$/,
    href: /^\/static\/[0-9a-f]{12}\/(icon\.svg|manifest\.webmanifest|(css|fonts|icons)\/[\w.-]+)$/,
    as: /^fetch$/, type: /^(image\/svg\+xml|font\/woff2)$/, integrity: INTEGRITY,
  },
  script: {
    type: /^(module|importmap)$/, src: /^\/static\/[0-9a-f]{12}\/(js|vendor)\/[\w.-]+\.js$/, async: /^$/,
    integrity: INTEGRITY, crossorigin: /^$/,
  },
};
// Inactive content added by browser extensions (dark modes, password managers) is removed without an alert.
const OF_EXTENSIONS = /^(class|style|data-(?!hx-)[\w-]+)$/;
const ROOT = { lang: /^[a-zA-Z-]*$/, dir: /^(ltr|rtl)$/, "data-scheme": /^(light|dark)?$/ };
const BODY = Object.fromEntries(["host", "notice", "registration", "retention", "version"]
  .map((name) => [`data-${name}`, /^/]));
// Only a page from the user's own machine (`ezdms open`) may specify which server it uses.
if (location.hostname === "127.0.0.1") BODY["data-server"] = /^https?:\/\/[a-z0-9.:[\]-]+$/;

const STATIC = /^\/static\/[0-9a-f]{12}\//; // the address of a release's files, which contains their hash
const isStyle = (node) => node.localName === "link" && node.rel === "stylesheet";

const templates = new Map();
const parts = []; // the content of each template: see copyInto
let isTampered = false;

// Named elements can shadow properties of the document or their form (<img name=body>), so properties are read through
// the prototype.
const ask = (object, type, name) => Object.getOwnPropertyDescriptor(type.prototype, name).get.call(object);
const isOf = (known, { name, value }) => Object.hasOwn(known, name) && known[name].test(value);
const isKnown = ({ name, value }) => isOf(VALUES, { name, value })
  || (HARMLESS.has(name) && !(name === "id" && value in HTMLFormElement.prototype));

// The language of this document, and what is said in it before the document was compared with the release.
const { lang, dir } = ask(document, Document, "documentElement");
export const LANGUAGE = Object.hasOwn(LANGUAGES, lang) ? lang : "en";
export const UNVERIFIED = LANGUAGES[LANGUAGE].unverified;

// Copy nodes, except active ones and those not in the release. Returns a description to compare: a text, or [name,
// [[attribute, value], …], [child, …]] for an element (same format as in bin/parts).
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

// Remove unknown attributes.
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
  && (!isStyle(node) || STYLES.includes(node.integrity)); // the browser checks the sheet's integrity

// Remove all nodes except those that stay. Counts as tampering unless they are blank.
function removeFrom(nodes, stays) {
  for (const node of [...nodes]) {
    if (stays(node)) continue;
    const isNothing = node.nodeType === Node.COMMENT_NODE || (node.nodeType === Node.TEXT_NODE && !node.data.trim());
    const isOfExtension = node.localName === "style" || node.name === "darkreader"; // like OF_EXTENSIONS
    isTampered ||= !isNothing && !isOfExtension;
    node.remove();
  }
}

// Take over the document: keep only those parts of its head that are also in the release.
function takeOver() {
  const [root, body, head] = ["documentElement", "body", "head"].map((name) => ask(document, Document, name));
  if (ask(document, Document, "readyState") === "loading" || root.querySelector("meta[http-equiv]")) {
    isTampered = true;
    stop(); // otherwise more content could arrive after this check, or a refresh redirect the page
  }
  // Remove the body, with all named elements in it. Anything else here may come from extensions.
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
  // Shown until boot.js starts, and for good if it never does: the other scripts then run alone and do nothing
  // (docs/decisions/pages.md).
  const unstarted = Object.assign(document.createElement("p"), { className: "unstarted" });
  unstarted.textContent = UNVERIFIED.unstarted;
  root.appendChild(document.createElement("body")).append(unstarted);
  return body.dataset;
}

const { host = "EZ-DMS", notice = "", registration = "open", retention, version = "", server = location.origin }
  = takeOver();
// The host's public words, shown only as text, and its address, for links to share.
// `retention`: days after which it removes messages, or 0.
const days = /^[1-9]\d{0,4}$/.test(retention) ? Number(retention) : 0;
export const HOST = { name: host, notice, registration, retention: days, server };
// The version this document claims, and its import maps, which decide which scripts run.
const maps = ask(document, Document, "head").querySelectorAll("script[type=importmap]");
export const BUILD = { version, scripts: Array.from(maps, ({ textContent }) => textContent).join("\n") };

// What is kept of the document, for comparison with the release.
const inHead = (selector) => Array.from(ask(document, Document, "head").querySelectorAll(selector));
const styles = inHead("link").filter(isStyle).map(({ integrity }) => integrity);
const scripts = inHead("script[src]").map((script) => script.getAttribute("src").replace(STATIC, "/static/"));
export const ARRIVED = { parts: JSON.stringify([lang, dir, ...parts, scripts]), styles };

// Ignore events created by scripts: only the user may act on this page.
for (const name of ACTS) {
  addEventListener(name, (event) => {
    if (event.isTrusted) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
}

// A new copy of a template's content.
export function instantiate(name) {
  if (!templates.has(name)) throw new Error(UNVERIFIED["part-missing"].replace("{part}", name));
  return document.importNode(templates.get(name), true);
}

// True if something active was found and removed.
export const wasTampered = () => isTampered;

const { tampered: TAMPERED, changed: CHANGED } = UNVERIFIED;
const LOOK_AGAIN = 500; // ms: no event tells a page that a style sheet was loaded

// Disable style sheets that no element of the document requested: Firefox loads those of a `Link` header, early or
// late. True if one was active. WebKit also lists sheets made by a script, as htmx does: no document can do that.
function refuseSheets() {
  let isFound = false;
  for (const sheet of document.styleSheets) {
    if (sheet.ownerNode || sheet.disabled || document.adoptedStyleSheets.includes(sheet)) continue;
    sheet.disabled = true;
    isFound = true;
  }
  return isFound;
}

// Report tampering with the document at once, and again if something arrives later.
export function watchArrival(tell) {
  const look = () => refuseSheets() && tell(TAMPERED);
  if (wasTampered()) tell(TAMPERED);
  look();
  setInterval(look, LOOK_AGAIN);
}

// True if every text and attribute of every part is the release's, in one of its languages. Reports it if not.
export async function isWhole(tell) {
  const isSame = await hashText(ARRIVED.parts) === LANGUAGES[LANGUAGE].parts && `${ARRIVED.styles}` === `${STYLES}`;
  if (!isSame) tell(CHANGED);
  return isSame;
}
