// The words that scripts show, in the language of the page, and <language-choice>, to choose another one. The words
// come with the document and are compared with the release like all of it, so `say` is not called before that. Also
// times, in the reader's own time zone and language: <local-time datetime="…">, whose names of days change at midnight.
// And the words that one searches for.

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

const TIME = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
const WEEKDAY = new Intl.DateTimeFormat(LOCALE, { weekday: "long" });
const DAY = new Intl.DateTimeFormat(LOCALE, { weekday: "long", day: "numeric", month: "long" });
const DATE = new Intl.DateTimeFormat(LOCALE, { dateStyle: "long" });
const SHORT = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short" });
const NUMERIC = new Intl.DateTimeFormat(LOCALE, { dateStyle: "short" });
const LONG = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "short" });
const FULL = new Intl.DateTimeFormat(LOCALE, { dateStyle: "full", timeStyle: "short" });
const MONTH = new Intl.DateTimeFormat(LOCALE, { month: "long", year: "numeric" });
const LOOK_AGAIN = 30000; // ms: a timer set for midnight would be late after the machine has slept

// Midnight of that day, in ms since 1970, UTC.
export const midnight = (ms) => new Date(ms).setHours(0, 0, 0, 0);
const daysAgo = (ms) => Math.round((midnight(Date.now()) - midnight(ms)) / 86400000);

// "Today", "Yesterday", a weekday, a weekday with its date, or a date with its year. `ms` since 1970, UTC.
function dayOf(ms) {
  const days = daysAgo(ms);
  if (days === 0 || days === 1) return say(days ? "yesterday" : "today");
  const isNear = days > 0 && days < 7;
  return (isNear ? WEEKDAY : Math.abs(days) < 300 ? DAY : DATE).format(new Date(ms));
}

// As short as possible: the time of today, "Yesterday", a weekday, or a date.
function inShort(ms) {
  const days = daysAgo(ms);
  if (days === 1) return say("yesterday");
  const isNear = days > 0 && days < 7;
  return (days === 0 ? TIME : isNear ? WEEKDAY : Math.abs(days) < 300 ? SHORT : NUMERIC).format(new Date(ms));
}

export const monthOf = (ms) => MONTH.format(new Date(ms));
export const inFull = (ms) => FULL.format(new Date(ms));

// A length of time, in the largest unit that divides it: "1 hour", "90 minutes". `seconds` above 0.
const UNITS = { week: 604800, day: 86400, hour: 3600, minute: 60, second: 1 };
const counted = (count, unit) => say(`unit-${unit}`, { count });
export function inWords(seconds) {
  const [unit, size] = Object.entries(UNITS).find(([, size]) => seconds % size === 0);
  return counted(seconds / size, unit);
}

// The text of a timer message.
export const timerInWords = (text) => (text === "0" ? say("timer-off") : inWords(Number(text)));

// A time that is left, in its largest unit: ["52 min", "52 minutes"]. `ms` above 0.
export function remaining(ms) {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  const [unit, size] = Object.entries(UNITS).find(([, size]) => seconds >= size);
  const count = Math.round(seconds / size);
  return [say(`short-${unit}`, { count }), counted(count, unit)];
}

let today = midnight(Date.now());
setInterval(() => {
  if (today === midnight(Date.now())) return;
  today = midnight(Date.now());
  for (const time of document.querySelectorAll("local-time")) time.renew();
}, LOOK_AGAIN);

customElements.define("local-time", class extends HTMLElement {
  #ms;
  #shownOn;

  connectedCallback() { this.renew(); } // put away and shown again (navigate.js)

  // `ms` since 1970, UTC.
  show(ms) {
    this.#ms = ms;
    this.#shownOn = today;
    const date = new Date(ms);
    this.setAttribute("datetime", date.toISOString());
    this.onpointerenter = () => { this.title = inFull(ms); }; // rarely needed, and slow to format
    this.textContent = this.hasAttribute("data-day") ? dayOf(ms) : this.hasAttribute("data-short") ? inShort(ms)
      : (this.hasAttribute("data-long") ? LONG : TIME).format(date);
  }

  // Another day may have begun.
  renew() {
    if (this.#ms !== undefined && this.#shownOn !== today) this.show(this.#ms);
  }
});

const BYTES = ["byte", "kilobyte", "megabyte"];
const SIZES = BYTES.map((unit, i) => new Intl.NumberFormat(LOCALE, {
  style: "unit", unit, unitDisplay: i ? "short" : "long", maximumFractionDigits: i === 2 ? 1 : 0,
}));

// A number of bytes, in words.
export function sizeInWords(bytes) {
  const power = bytes < 1000 ? 0 : bytes < 1e6 ? 1 : 2;
  return SIZES[power].format(bytes / 1000 ** power);
}

// ---- What one searches for (twin of client/searching.py) ----

// Words in any order, "phrases", senders and dates, ignoring case, accents and width.

// Accents of letters (Latin, Greek, Cyrillic), points of Hebrew and Arabic, variation selectors, and what nobody sees.
// A fixed list, which does not depend on anyone's version of Unicode. Vowel signs of other scripts are letters.
const LEFT_OUT = RegExp("[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
  + "\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\u00ad\u200b\u2060"
  + "\ufeff]", "g");
const LINK = /(?:https?:\/\/|www\.)\S/i;
const QUOTES = /[“”„«»]/g; // what phones type for "
const KINDS = ["picture", "file", "link"]; // what a message can have
const PART = /(?:(from|has|on|since|until):)?(?:"([^"]*)(?:"|$)|([^\s"]+))/g;
const SPAN = /^([1-9][0-9]{3})(?:-([0-9]{2})(?:-([0-9]{2}))?)?$/;
const ME = "me"; // usernames have at least three characters

export const bare = (text) => text.normalize("NFKD").replace(LEFT_OUT, "").toLowerCase().toUpperCase().toLowerCase()
  .normalize("NFKD").replace(/ς/g, "σ").replace(LEFT_OUT, "");

// The form in which texts are compared: without case, accents and width (NFKD); one space between words.
export const folded = (text) => bare(text).replace(/\s+/g, " ").trim();

// {words, senders, has, since, until}: all words must occur, in any order; a phrase is one of them, with spaces.
// `senders`: "me", or parts of names. `has`: of KINDS. `since` and `until` (ms): not before, and before. What has the
// form of none is a word.
export function readQuery(typed) {
  const query = { words: [], senders: [], has: [], since: 0, until: Infinity };
  for (const [, name, phrase = "", word = ""] of typed.replace(QUOTES, "\"").matchAll(PART)) {
    const value = folded(phrase || word);
    const span = name && name !== "from" ? spanOf(word) : null;
    if (name === "from" && value) query.senders.push(value);
    else if (name === "has" && KINDS.includes(value)) query.has.push(value);
    else if (span) {
      if (name !== "until") query.since = Math.max(query.since, span[0]);
      if (name !== "since") query.until = Math.min(query.until, span[1]);
    } else if (name && word) query.words.push(folded(`${name}:${word}`));
    else if (value) query.words.push(value);
  }
  return query;
}

// True if it would find everything.
export const isEmpty = ({ words, senders, has, since, until }) =>
  !words.length && !senders.length && !has.length && !since && until === Infinity;

// From when until when a day, month or year lasts here (ms); null for none.
function spanOf(date) {
  const [, year, month, day] = SPAN.exec(date)?.map(Number) ?? [];
  if (!year || month === 0 || month > 12 || day === 0 || day > new Date(year, month, 0).getDate()) return null;
  const begin = new Date(year, (month || 1) - 1, day || 1);
  const end = day ? new Date(year, month - 1, day + 1) : month ? new Date(year, month, 1) : new Date(year + 1, 0, 1);
  return [begin.getTime(), end.getTime()];
}

// What a text has.
export const kindsIn = (text) => (LINK.test(text) ? ["link"] : []);

// `plain`: the folded text, or null for what cannot be found. `kinds`: of KINDS. `names`: folded ones of the other.
export const finds = ({ words, senders, has, since, until }, { plain, kinds, at, isOwn }, names) => plain !== null
  && since <= at && at < until
  && senders.every((sender) => (sender === ME ? isOwn : !isOwn && names.some((name) => name.includes(sender))))
  && has.every((kind) => kinds.includes(kind)) && words.every((word) => plain.includes(word));
