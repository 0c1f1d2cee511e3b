// The words that scripts show, in the language of the page, and <language-choice>, to choose another one. The words
// come with the document and are compared with the release like all of it, so `say` is not called before that.

import { HOST, instantiate, LANGUAGE } from "./shell.js";

// The reader's own variant of this language, if they have one: for dates and numbers.
const base = (code) => code.split("-")[0];
export const LOCALE = navigator.languages.find((code) => base(code) === base(LANGUAGE)) ?? LANGUAGE;
const PLURALS = new Intl.PluralRules(LANGUAGE);
export const LIST = new Intl.ListFormat(LOCALE, { style: "narrow", type: "unit" }); // names: one, two, three
const FIGURES = new Intl.NumberFormat(LOCALE);

let words; // key → what is said; for what depends on a number: `${key}.${plural category}`
const load = () => new Map(Array.from(instantiate("words").children, ({ dataset, textContent }) =>
  [dataset.word, textContent]));
const formOf = (key, count) => words.get(`${key}.${PLURALS.select(count)}`) ?? words.get(`${key}.other`);

// The words of a key. `values`: of the places in them, such as {name}; `count` also chooses the plural form. The result
// is a text, never markup.
export function say(key, values = {}) {
  words ??= load();
  const said = words.get(key) ?? formOf(key, values.count);
  if (said === undefined) throw new Error(`There are no words for “${key}”.`);
  return said.replace(/{([a-z]+)}/g, (place, name) => shown(values[name] ?? place));
}
const shown = (value) => (typeof value === "number" ? FIGURES.format(value) : value);

// The same if there are such words; otherwise undefined.
export function maySay(key) {
  words ??= load();
  return words.get(key);
}

// What the page says about an error: of the protocol in its own words, otherwise those that the error has.
export function sentenceOf(error) {
  if (!error.kind) return error.message;
  return maySay(`protocol-${error.message}`) === undefined ? say("protocol-invalid")
    : say(`protocol-${error.message}`, error.values);
}

// What the host says about how long it keeps messages, or "".
export const retention = () => (HOST.retention ? say("retention", { count: HOST.retention }) : "");

const YEAR = 365 * 24 * 3600; // seconds

// <language-choice>: the server must know the language before it sends a page, so it is kept in a cookie, which
// contains nothing else.
customElements.define("language-choice", class extends HTMLElement {
  connectedCallback() {
    const choice = this.querySelector("select");
    [...choice.options].find(({ lang }) => lang === LANGUAGE).selected = true;
    choice.addEventListener("change", ({ isTrusted }) => {
      if (!isTrusted) return;
      const secure = location.protocol === "https:" ? "; secure" : "";
      const [{ lang: code }] = choice.selectedOptions;
      document.cookie = `language=${code}; path=/; max-age=${YEAR}; samesite=lax${secure}`;
      location.reload();
    });
    this.hidden = choice.length < 2;
  }
});
