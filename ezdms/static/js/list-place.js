// Where the list is scrolled to: kept while conversations move to its top, while a phone shows a conversation, and when
// the page is reloaded.

const KEY = "ezdms-list"; // in this tab

let list;
let scroller;
let place = 0;
let anchors = []; // the first lines in view: [line, its place in the list]

const isShown = () => scroller.clientHeight > 0;
const topOf = (element) => element.getBoundingClientRect().top;
const placeOf = (line) => topOf(line) - topOf(list);

function note() {
  if (!isShown()) return;
  place = scroller.scrollTop;
  sessionStorage.setItem(KEY, place);
  const covers = scroller.querySelector("dialog[open]") ?? scroller.firstElementChild; // New chat and the header stay
  const below = covers.getBoundingClientRect().bottom;
  const { left } = list.getBoundingClientRect();
  const first = document.elementFromPoint(left + 8, below + 8)?.closest("conversation-item");
  anchors = [first, first?.nextElementSibling].filter(Boolean).map((line) => [line, placeOf(line)]);
}

// Lines have moved: those in view stay where they are. At the top, the newest stay in view.
function hold() {
  if (!place || !anchors.length || !isShown()) return;
  const moves = anchors.filter(([line]) => line.isConnected).map(([line, before]) => placeOf(line) - before);
  const [move = 0] = moves.sort((one, other) => Math.abs(one) - Math.abs(other)); // one may be at the top now
  if (scroller.scrollTop === place) scroller.scrollTop += move;
  note();
}

// Go back there, and further only if needed to show this line.
export function goBack(line) {
  if (!scroller || !isShown()) return;
  if (scroller.scrollTop !== place) scroller.scrollTop = place;
  line?.scrollIntoView({ block: "nearest" });
}

export function keepPlace(element) {
  list = element;
  scroller = list.closest(".sidebar");
  if (!scroller) return; // on a page that does not show it
  place = Number(sessionStorage.getItem(KEY));
  scroller.addEventListener("scroll", note, { passive: true });
  new MutationObserver(hold).observe(list, { childList: true });
}
