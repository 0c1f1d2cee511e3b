// Runs in every document of the host, before its first script. A document whose policy the pin has set carries the pin's
// mark. One without it came while the browser started, when the pin's rule did not hold yet, or from a service worker:
// it is stopped. The others are hidden until the pinned scripts say that they run, which nothing else can. At an address
// of the host that no release has, nothing could be told from a lie: it is stopped, too.

const WAIT = 3000; // ms after everything is loaded
const LONGEST = 20000; // ms for loading it: an image that never comes would put that off for good

const tell = (what) => chrome.runtime.sendMessage(what).catch(() => {}); // the extension was replaced meanwhile

function isMarked() {
  const [entry] = performance.getEntriesByType("navigation"); // a browser may be set to say nothing: then it is none
  return (entry?.serverTiming ?? []).some(({ name, description }) => name === "ezdms-pin" && description === PINNED.mark);
}

function refuse(is) {
  stop(); // whatever still loads
  document.documentElement?.remove();
  tell({ is });
}

function hide(isHidden) {
  const { style } = document.documentElement;
  if (isHidden) style.setProperty("display", "none", "important"); // no style sheet can undo that
  else style.removeProperty("display");
}

async function judge() {
  let hasStarted = false;
  hide(true);
  addEventListener("ezdms-pinned", () => {
    hasStarted = true;
    hide(false);
  });
  const runs = () => {
    dispatchEvent(new Event("ezdms-pin"));
    return hasStarted;
  };
  const after = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  const loaded = new Promise((resolve) => {
    if (document.readyState === "complete") resolve();
    else addEventListener("load", resolve);
  });
  tell({ is: "begun" });
  await Promise.race([loaded, after(LONGEST)]);
  if (!runs()) await after(WAIT);
  tell(runs() ? { is: "pinned" } : { is: "changed", late: document.readyState !== "complete" });
}

if (location.origin === PINNED.origin) {
  chrome.runtime.onMessage.addListener((asked, sender, answer) => answer(isMarked()));
  if (!isMarked()) refuse("unmarked");
  else if (self === top) new RegExp(PINNED.app).test(location.pathname) ? judge() : refuse("elsewhere");
}
