// Runs in every document of the host, before its first script. A document whose policy the pin has set carries the pin's
// mark. One without it came while the browser started, when the pin's rule did not hold yet, or from a service worker:
// it is stopped. In the others the page is asked whether the pinned scripts run in it; only they can answer.

const WAIT = 3000; // ms after everything is loaded
const LONGEST = 20000; // ms for loading it: an image that never comes would put that off for good

const tell = (what) => chrome.runtime.sendMessage(what).catch(() => {}); // the extension was replaced meanwhile

function isMarked() {
  const [{ serverTiming }] = performance.getEntriesByType("navigation");
  return serverTiming.some(({ name, description }) => name === "ezdms-pin" && description === PINNED.mark);
}

function stop() {
  window.stop();
  document.documentElement?.remove();
  tell({ is: "unmarked" });
}

async function judge() {
  let hasStarted = false;
  addEventListener("ezdms-pinned", () => { hasStarted = true; });
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
  if (!isMarked()) stop();
  else if (self === top && new RegExp(PINNED.app).test(location.pathname)) judge();
}
