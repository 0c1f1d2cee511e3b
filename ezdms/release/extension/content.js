// Asks the page whether the pinned scripts run in it. Only they can answer: no other script runs here at all.

const WAIT = 3000; // ms after everything is loaded
const LONGEST = 20000; // ms for loading it: an image that never comes would put that off for good

if (self === top && location.origin === PINNED.origin && new RegExp(PINNED.app).test(location.pathname)) {
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
  const tell = (what) => chrome.runtime.sendMessage(what).catch(() => {}); // the extension was replaced meanwhile
  const judge = async () => {
    tell({ is: "begun" });
    await Promise.race([loaded, after(LONGEST)]);
    if (!runs()) await after(WAIT);
    tell(runs() ? { is: "pinned" } : { is: "changed", late: document.readyState !== "complete" });
  };
  judge();
}
