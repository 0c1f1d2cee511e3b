// Whether the page arrived as the release has it, and what is said if it did not. Without that nothing is put together:
// a label that was exchanged could have somebody type a secret into the wrong field.

import { hashText } from "./crypto.js";
import { PARTS, STYLES } from "./release.js";
import { ARRIVED, wasTampered } from "./shell.js";

const NOT_AS_IT_IS = "This page did not arrive as this version of EZ-DMS has it: ";
const TAMPERED = `${NOT_AS_IT_IS}something in it that could act by itself was taken out. Do not type secrets here `
  + "before you know why.";
const CHANGED = `${NOT_AS_IT_IS}its words, its fields or its looks were changed. So it is not shown, and nothing can `
  + "be typed here. Ask whoever runs this server why, by another way than this page.";
const LOOK_AGAIN = 500; // ms: nothing tells a page that a style sheet has come

// Style sheets that no element of the document asks for: Firefox loads those of a `Link` header, early or late. True if
// one was found that counted. WebKit lists those too that a script made, as htmx does: no document can do that.
function refuseSheets() {
  let isFound = false;
  for (const sheet of document.styleSheets) {
    if (sheet.ownerNode || sheet.disabled || document.adoptedStyleSheets.includes(sheet)) continue;
    sheet.disabled = true;
    isFound = true;
  }
  return isFound;
}

// What must be said of the document is told at once, and again if something comes later.
export function watchArrival(tell) {
  const look = () => refuseSheets() && tell(TAMPERED);
  if (wasTampered()) tell(TAMPERED);
  look();
  setInterval(look, LOOK_AGAIN);
}

// True if every word and attribute of every part is the release's. If not, that is told.
export async function isWhole(tell) {
  const isSame = await hashText(ARRIVED.parts) === PARTS && `${ARRIVED.styles}` === `${STYLES}`;
  if (!isSame) tell(CHANGED);
  return isSame;
}
