// Runs in an empty page of the server. Judges documents that nothing runs, or that are in a frame, with the real
// shell.js: the same lines, run again for each document. Only the imports are replaced, by arguments.

Object.assign(globalThis, {
  async load(address, html) {
    const at = (name) => address.replace("*", name);
    const source = await (await fetch(at("shell"))).text();
    const shell = `"use strict";${source.replace(/^import .*;$/gm, "").replace(/^export /gm, "")}`;
    const [{ hashText }, release] = await Promise.all(["crypto", "release"].map((name) => import(at(name))));
    Object.assign(globalThis, { shell, hashText, release });
    const inputs = ["document", "hashText", "LANGUAGES", "STYLES", "addEventListener"];
    const names = "ARRIVED, LANGUAGE, instantiate, isWhole, wasTampered";
    globalThis.runnerIn = (window) => window.Function(...inputs, `${shell}; return { ${names} };`);
    globalThis.runHere = runnerIn(globalThis); // compiled once
    globalThis.changed = ([start, end, instead]) => html.slice(0, start) + instead + html.slice(end);
    globalThis.html = html;
    globalThis.whole = await judgeOf(parse(html), { languages: release.LANGUAGES });
  },

  // Like a browser that loads a page: shadow roots are attached. No script runs.
  parse: (html) => Document.parseHTMLUnsafe(html),

  // A judge for changed copies of this document. `languages`: the release's; otherwise this document counts as it.
  // `hash`: if it is the text itself, different documents are different without a doubt, and faster. `styles`: those of
  // the release, unless this document has none.
  async judgeOf(page, { languages = null, hash = hashText, styles = release.STYLES, run = runHere } = {}) {
    // Each run would add listeners to this window, which would make the next ones slower.
    const takeOver = (theirs, known) => run(theirs, hash, known, styles, () => {});
    const ids = [...page.querySelectorAll("template")].map(({ id }) => id);
    const write = (node) => new XMLSerializer().serializeToString(node);

    // All that the page can show or use: what is left of the document, and its parts.
    function drawn(theirs, instantiate) {
      const { documentElement: root, head, body } = theirs;
      const strays = [...root.childNodes].filter((node) => node !== head && node !== body);
      return {
        nodes: [...theirs.childNodes].map(({ nodeName }) => nodeName).join(" "),
        body: [root.cloneNode(), head.cloneNode(), body].map(write).join(""),
        head: [...strays, ...head.childNodes].map(write),
        parts: ids.map((id) => write(instantiate(id))).join(""),
      };
    }

    const taken = page.cloneNode(true);
    const { ARRIVED, LANGUAGE, instantiate } = takeOver(taken, release.LANGUAGES);
    const known = languages
      ?? { [LANGUAGE]: { ...release.LANGUAGES[LANGUAGE], parts: await hash(ARRIVED.parts) } };
    const honest = drawn(taken, instantiate);

    // "refused": not shown. "removed": something was removed, and reported; "ignored": removed in silence. What is left
    // is then the release. Anything else is a fault.
    async function judge(theirs) {
      const { instantiate, isWhole, wasTampered } = takeOver(theirs, known);
      if (!await isWhole(() => {})) return "refused";
      const { head, ...rest } = drawn(theirs, instantiate);
      const other = Object.keys(rest).filter((name) => rest[name] !== honest[name])
        .concat(head.filter((one) => !honest.head.includes(one)));
      if (other.length) return `shown with other ${other.join(", ")}`;
      return wasTampered() ? "removed" : "ignored";
    }
    return { page, ids, judge };
  },

  // By name: where each differs from the honest one (shell.py).
  async judgeAll(differences) {
    const verdicts = {};
    for (const [name, one] of Object.entries(differences)) verdicts[name] = await whole.judge(parse(changed(one)));
    return verdicts;
  },

  // The same in a window, where named elements shadow properties of the document. Scripts do not run.
  async judgeShadowed(documents) {
    const frame = document.body.appendChild(document.createElement("iframe"));
    const theirs = frame.contentDocument;
    const { lang, dir } = parse(html).documentElement;
    Object.assign(theirs.documentElement, { lang, dir }).setHTMLUnsafe(html);
    const { judge } = await judgeOf(theirs, { languages: release.LANGUAGES, run: runnerIn(frame.contentWindow) });
    const verdicts = {};
    for (const [name, [property, one]] of Object.entries(documents)) {
      theirs.documentElement.setHTMLUnsafe(changed(one));
      const isShadowed = theirs[property].getAttribute?.("name") === property;
      verdicts[name] = isShadowed ? await judge(theirs) : `${property} is not shadowed`;
    }
    frame.remove();
    return verdicts;
  },

  // Every change of every node of every part. A node is judged in its element, beside its neighbors alone, as a small
  // document of its own: thousands of changes take seconds. Returns how many there were of each kind, and what was
  // wrong.
  async judgeEveryChange() {
    const [counts, wrong] = [{}, []];
    for (const id of whole.ids) {
      const { content } = whole.page.getElementById(id);
      for (const parent of [content, ...content.querySelectorAll("*")]) {
        const childrenIn = (theirs) => {
          const copy = theirs.body.firstChild.content;
          return (parent === content ? copy : copy.firstChild).childNodes;
        };
        const children = [...parent.childNodes];
        for (const [at, child] of children.entries()) {
          const near = children.slice(Math.max(at - 1, 0), at + 2);
          const { page, judge } = await judgeOf(alone(parent, near), { hash: (text) => text, styles: [] });
          const place = near.indexOf(child);
          const copy = page.cloneNode();
          copy.append(...[...page.childNodes].map((node) => node.cloneNode())); // one document for all: a new one is slow
          const changesIn = (theirs, of) => of(childrenIn(theirs)[place]);
          for (const [kind, [expected, of]] of Object.entries(changes)) {
            for (let which = changesIn(page, of).length - 1; which >= 0; which -= 1) {
              copy.documentElement.replaceChildren(page.head.cloneNode(true), page.body.cloneNode(true));
              changesIn(copy, of)[which]();
              const verdict = await judge(copy);
              counts[kind] = (counts[kind] ?? 0) + 1;
              if (verdict !== expected) {
                wrong.push(`${kind} (${which}) at ${child.nodeName} ${at} in ${id}: ${verdict}`);
              }
            }
          }
        }
      }
    }
    return { counts, wrong };
  },

  // A document with one part, which contains only this node and these of its children, without theirs.
  alone(parent, children) {
    const theirs = parse('<!doctype html><body><template id="part"></template>');
    const place = theirs.querySelector("template").content;
    const into = parent.tagName ? place.appendChild(parent.cloneNode()) : place;
    into.append(...children.map((node) => node.cloneNode()));
    return theirs;
  },

  // By kind of change: its verdict, and all such changes of a node.
  changes: {
    "a node is missing": ["refused", (node) => [() => node.remove()]],
    "a node is there twice": ["refused", (node) => [() => node.after(node.cloneNode(true))]],
    "two nodes are swapped": ["refused", (node) => {
      const next = node.nextSibling;
      return next && !next.isEqualNode(node) ? [() => node.before(next)] : [];
    }],
    "words are added": ["refused", (node) => placesAt(node).map((add) => () => add("zyxforged"))],
    "an element of the release is added": ["refused", (node) => placesAt(node).map((add) => () => add(made("p")))],
    "a text is another": ["refused", (node) => node.data === undefined ? [] : [
      () => { node.data += "x"; }, () => { node.data += " "; }, () => { node.data = node.data.slice(1); },
    ]],
    "an element is another": ["refused", (node) => node.tagName ? [() => {
      const other = made(node.localName === "section" ? "div" : "section");
      for (const { name, value } of node.attributes) other.setAttribute(name, value);
      other.append(...node.childNodes);
      node.replaceWith(other);
    }, () => node.replaceWith(...node.childNodes)] : []],
    "an attribute is missing": ["refused", (node) => namesOf(node).map((name) => () => node.removeAttribute(name))],
    "an attribute is another": ["refused",
      (node) => namesOf(node).map((name) => () => node.setAttribute(name, `${node.getAttribute(name)}x`))],
    "an attribute of the release is added": ["refused",
      (node) => addable(node, "hidden", "class", "id", "for", "aria-label", "data-do", "data-trust")],
    "an attribute that acts is added": ["removed", (node) => addable(node, "onclick", "style", "hx-get", "name")],
    "an element that acts is added": ["removed",
      (node) => ["script", "x-lie"].flatMap((tag) => placesAt(node).map((add) => () => add(made(tag))))],
    "a comment is added": ["ignored", (node) => placesAt(node).map((add) => () => add(new Comment("zyxforged")))],
  },
  made: (tag) => Object.assign(document.createElement(tag), { textContent: "zyxforged" }),
  placesAt: (node) => ["before", ...(node.tagName ? ["append"] : [])].map((place) => (added) => node[place](added)),
  namesOf: (node) => node.getAttributeNames?.() ?? [],
  addable: (node, ...names) => node.tagName
    ? names.filter((name) => !node.hasAttribute(name)).map((name) => () => node.setAttribute(name, "zyxforged")) : [],
});
