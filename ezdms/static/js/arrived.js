// Checks that the page arrived as in the release, and shows an alert if not. Nothing is shown before that: a swapped
// label could make someone type a secret into the wrong field.

import { hashText } from "./crypto.js";
import { LANGUAGES, STYLES } from "./release.js";
import { ARRIVED, LANGUAGE, UNVERIFIED, wasTampered } from "./shell.js";

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
