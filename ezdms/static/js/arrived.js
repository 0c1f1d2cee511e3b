// Checks that the page arrived as in the release, and shows an alert if not. Nothing is shown before that: a swapped
// label could make someone type a secret into the wrong field.

import { hashText } from "./crypto.js";
import { PARTS, STYLES } from "./release.js";
import { ARRIVED, wasTampered } from "./shell.js";

const NOT_AS_IT_IS = "This page is not the one of this version of EZ-DMS: ";
const TAMPERED = `${NOT_AS_IT_IS}something in it that could run by itself was removed. Do not type secrets here `
  + "until you know why.";
const CHANGED = `${NOT_AS_IT_IS}its text, its fields or its style were changed. So it is not shown, and nothing can `
  + "be typed here. Ask whoever runs this server why, but not through this page.";
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

// True if every text and attribute of every part is the release's. Reports it if not.
export async function isWhole(tell) {
  const isSame = await hashText(ARRIVED.parts) === PARTS && `${ARRIVED.styles}` === `${STYLES}`;
  if (!isSame) tell(CHANGED);
  return isSame;
}
