// The page's font. A font can draw one word as another, and a style sheet cannot specify its hash. So it is fetched
// here with its hash, and passed to the browser as bytes.

import { FONTS } from "./release.js";

const FACES = {
  latin: ["inter-latin-wght-normal.woff2", "U+0000-00FF, U+0131, U+0152-0153, U+02BB-02BC, U+02C6, U+02DA, U+02DC, "
    + "U+0304, U+0308, U+0329, U+2000-206F, U+20AC, U+2122, U+2191, U+2193, U+2212, U+2215, U+FEFF, U+FFFD"],
  more: ["inter-latin-ext-wght-normal.woff2", "U+0100-02BA, U+02BD-02C5, U+02C7-02CC, U+02CE-02D7, U+02DD-02FF, "
    + "U+0304, U+0308, U+0329, U+1D00-1DBF, U+1E00-1E9F, U+1EF2-1EFF, U+2020, U+20A0-20AB, U+20AD-20C0, U+2113, "
    + "U+2C60-2C7F, U+A720-A7FF"],
};
const NEEDS_MORE = /[\u0100-\u02af\u1d00-\u1eff\u20a0-\u20ab\u20ad-\u20c0\u2c60-\u2c7f\ua720-\ua7ff]/;

async function load([file, unicodeRange]) {
  const answer = await fetch(new URL(`../fonts/${file}`, import.meta.url), { integrity: FONTS[file] });
  document.fonts.add(new FontFace("Inter", await answer.arrayBuffer(), { weight: "100 900", unicodeRange }));
}
load(FACES.latin).catch(() => {}); // otherwise the browser's own font is used, as before it was loaded

// Call with text that is shown: loads the larger half of the font on demand.
let isAsked = false;
export function drawable(text) {
  if (isAsked || !NEEDS_MORE.test(text)) return;
  isAsked = true;
  load(FACES.more).catch(() => {});
}
