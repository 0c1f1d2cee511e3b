// Finds links in a text. An address is a link only if what is shown says where it leads.

const QUOTES = "<>\"`‘’“”„«»‹›…";
const CJK_PUNCTUATION = "\u3000-\u3004\u3008-\u3020\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65";
const ADDRESS = RegExp(`(?<![\\w@./:-])(?:https?://|www\\.)[^\\s\\\\${QUOTES}${CJK_PUNCTUATION}]+`, "giu");
const END = /[.,:;!?'*([{]$/; // not part of an address at its end
const OPENS = { ")": "(", "]": "[", "}": "{" };
const INVISIBLE = /\p{Cf}/u; // also what changes the direction of text
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu; // look like no others
const SCRIPTS = ["Latin", "Cyrillic", "Greek"].map((script) =>
  [RegExp(`\\p{Script=${script}}`, "u"), RegExp(`(?!\\p{Script=${script}})\\p{L}`, "u")]); // its letters, and others

const count = (text, character) => text.split(character).length;

// Without the punctuation after it, and closing brackets that were opened before it.
function trim(address) {
  const last = address.at(-1);
  const isOwn = !(last in OPENS) || count(address, last) <= count(address, OPENS[last]);
  return isOwn && !END.test(address) ? address : trim(address.slice(0, -1));
}

const isMixed = (name) => [...name.split("."), name.replace(CJK, "")]
  .some((part) => SCRIPTS.some(([its, others]) => its.test(part) && others.test(part)));

// What is shown of the host: as written, unless that could look like another one.
function hostOf(written, { hostname, host }) {
  const name = written.replace(/:\d*$/, "").toLowerCase();
  const isReadable = /[^!-~]/.test(name) && name === name.normalize("NFKC") && !name.includes("%") && !isMixed(name);
  return isReadable || name === hostname ? written : host;
}

// {start, end, href, shown} of each link.
export function* linksIn(text) {
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = trim(found);
    const [, scheme = "", written, rest] = /^(https?:\/\/)?([^/?#]*)(.*)$/iu.exec(address);
    const href = scheme ? address : "https:" + "//" + address; // whole, `ezdms verify` would take it for a file to load
    const isAddress = (scheme || /^www\.[^.]+\.[^.]/i.test(written)) && URL.canParse(href);
    if (!isAddress || written.includes("@") || INVISIBLE.test(address)) continue;
    yield { start: index, end: index + address.length, href, shown: scheme + hostOf(written, new URL(href)) + rest };
  }
}
