// Runs in every document of the host, before its first script. Documents with the pin's policy carry the pin's mark. A
// document without it was loaded during browser startup, before the pin's rule applied, or by a service worker: it is
// stopped. Others are hidden until the pinned scripts report that they run, which nothing else can. Addresses of the
// host that no release has are stopped, too: nothing there could be verified.

const WAIT = 3000; // ms after everything is loaded
const LONGEST = 20000; // ms for loading it: an image that never loads would delay that forever

const tell = (what) => chrome.runtime.sendMessage(what).catch(() => {}); // the extension may have been replaced

function isMarked() {
  const [entry] = performance.getEntriesByType("navigation"); // browsers may not provide it
  return (entry?.serverTiming ?? []).some(({ name, description }) => name === "ezdms-pin" && description === PINNED.mark);
}

function refuse(is) {
  stop(); // stop everything still loading
  document.documentElement?.remove();
  tell({ is });
}

function hide(isHidden) {
  const { style } = document.documentElement;
  if (isHidden) style.setProperty("display", "none", "important"); // no style sheet can override that
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
