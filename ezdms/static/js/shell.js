// The document as it arrived is the server's. Before anything else runs, the templates that the release has are copied
// out of it, without whatever acts by itself, and the page begins with an empty body of its own. No element of the
// document stays: no shadow root, no form that could be submitted, no attribute that htmx would obey.

const TAGS = new Set(("a aside button canvas code div fieldset footer form h1 h2 h3 header img input label main nav "
  + "output p section span strong textarea video change-pin create-account delete-account device-list local-time "
  + "log-in message-composer message-log message-thread my-search-pin new-search-pin sealed-text start-conversation "
  + "welcome-card who-is-this").split(" "));
const VALUES = {
  href: /^\/[a-z-]*$/, src: /^\/static\/[0-9a-f]{12}\/icon\.svg$/, type: /^(button|submit|text|checkbox)$/,
};
const LINK = RegExp("^/static/[0-9a-f]{12}/(icon\\.svg|css/(base|front|session)\\.css|fonts/[\\w-]+\\.woff2"
  + "|(js|vendor)/[\\w.-]+\\.js)$");
const HARMLESS = new Set(("alt aria-controls aria-describedby aria-expanded aria-hidden aria-label aria-labelledby "
  + "autocapitalize autocomplete class dir disabled enterkeyhint for height hidden id maxlength minlength muted "
  + "placeholder playsinline required role rows spellcheck tabindex width data-added data-alarm data-alone data-closed "
  + "data-copy data-do data-host-name data-host-notice data-long data-no-camera data-runs-on data-short data-testid "
  + "data-trust data-username data-why").split(" "));
const ACTS = ["auxclick", "click", "dblclick", "keydown", "keypress", "submit"]; // what a person does

const TAMPERED = "This page did not arrive as this version of EZ-DMS has it: something in it that could act by itself "
  + "was taken out. Do not type secrets here before you know why.";

const templates = new Map();
let isTampered = false;

const isKnown = ({ name, value }) => HARMLESS.has(name) || (VALUES[name]?.test(value) ?? false);

// The same in new nodes, but for what the release does not have.
function copyInto(target, nodes) {
  for (const node of nodes) {
    if (node.nodeType === Node.TEXT_NODE) target.append(node.data);
    else if (node.nodeType === Node.ELEMENT_NODE) {
      if (!(node instanceof HTMLElement) || !TAGS.has(node.localName)) {
        isTampered = true;
        continue;
      }
      const copy = document.createElement(node.localName);
      for (const attribute of node.attributes) {
        if (isKnown(attribute)) copy.setAttribute(attribute.name, attribute.value);
        else isTampered = true;
      }
      copyInto(copy, node.childNodes);
      target.append(copy);
    }
  }
}

// What else stands in the head: a title, and what the release loads.
function isOfTheHead(element) {
  if (element.localName === "link") return LINK.test(element.getAttribute("href"));
  if (element.localName === "meta") return !element.httpEquiv && !element.name.startsWith("htmx");
  return ["script", "style", "title"].includes(element.localName); // a style is what extensions of browsers add
}

function takeOver(body) {
  for (const element of body.children) {
    if (element.localName === "template" && element.content && element.id) {
      const fragment = document.createDocumentFragment();
      copyInto(fragment, element.content.childNodes);
      templates.set(element.id, fragment);
    } else if (element.localName !== "noscript") isTampered = true;
  }
  for (const element of [...document.head.children]) {
    if (isOfTheHead(element)) continue;
    isTampered = true;
    element.remove();
  }
  const own = document.createElement("body");
  body.replaceWith(own);
}

const { host = "EZ-DMS", notice = "", registration = "open" } = document.body.dataset;
// What the host says to everybody: shown as words, and nothing else.
export const HOST = { name: host, notice, registration };
takeOver(document.body);

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

// The sentence that must be shown if the document was not the release's, else "".
export const verdictOnShell = () => (isTampered ? TAMPERED : "");
