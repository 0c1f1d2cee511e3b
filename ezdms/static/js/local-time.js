// <local-time datetime="…">: a time in the reader's own time zone and language.

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const SHORT = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const LONG = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
const daysAgo = (date) => Math.round((midnight(new Date()) - midnight(date)) / 86400000);

// "Today", "Yesterday", a weekday with its date, or a date with its year. `ms` since 1970, UTC.
export function dayOf(ms) {
  const date = new Date(ms);
  const days = daysAgo(date);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return (days < 300 ? DAY : DATE).format(date);
}

export const inFull = (ms) => FULL.format(new Date(ms));

customElements.define("local-time", class extends HTMLElement {
  // `ms` since 1970, UTC.
  show(ms) {
    const date = new Date(ms);
    this.setAttribute("datetime", date.toISOString());
    this.onpointerenter = () => { this.title = inFull(ms); }; // rarely needed, and slow to format
    const isShort = this.hasAttribute("data-short") && daysAgo(date) > 0;
    this.textContent = (this.hasAttribute("data-long") ? LONG : isShort ? SHORT : TIME).format(date);
  }
});
