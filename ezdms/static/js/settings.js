// The settings: a new Login PIN, deleting the account, logging out, what others learn, the appearance, and the devices
// that are logged in.

import * as crypto from "./crypto.js";
import { askOnce, copyFrom, offerDownload, onPress, onSubmit, showAlert } from "./dom.js";
import { KEYS } from "./front.js";
import { swapIn } from "./guard.js";
import { loadVaultState, remember, remembered } from "./keystore.js";
import { offerToManager, proveSaved } from "./start-conversation.js";
import { doubts, mergeServed } from "./remembered.js";
import { deploymentId, getFragment, postForFragment, postForm } from "./server.js";
import { account, eraseAndLeave, getStanding, searchIndex, useSearchIndex } from "./session.js";
import { HOST, instantiate } from "./shell.js";
import { askForCode, readCode } from "./two-step.js";
import { changeSettings, isOpened, isServed, noteServed, onSettings, ownBuild, syncVault } from "./vault.js";
import { say, sentenceOf } from "./words.js";

// <change-pin>: a new Login PIN. The keys are encrypted under it here; nothing changes until the user has saved it.

const prefixed = (fields) => Object.fromEntries(Object.entries(fields).map(([name, value]) => [`new_${name}`, value]));

customElements.define("change-pin", class extends HTMLElement {
  connectedCallback() {
    const [ask, confirm] = this.querySelectorAll("form");
    const second = ask.querySelector(".second");
    let deployment, change, nextLogin; // posted once the new PIN is saved
    onSubmit(ask, say("checking"), async (progress, focus) => {
      const me = await account;
      const pin = crypto.normaliseLoginPin(ask.querySelector(".pin").value);
      deployment = await deploymentId();
      const login = await crypto.loginKeys(pin, deployment);
      const code = second.hidden ? null : { code: readCode(second.querySelector("input").value) };
      const stored = await postForm("/private_keys", { ...login, ...code }, KEYS).catch(askForCode(second));
      progress(say("encrypting-your-keys"));
      const keys = await crypto.unwrapKeys(pin, stored, me, true); // one's own public keys, not the server's
      const next = crypto.newLoginPin();
      nextLogin = await crypto.loginKeys(next, deployment);
      change = { ...login, ...prefixed({ ...nextLogin, ...await crypto.wrapKeys(next, keys) }) };
      const shown = crypto.showLoginPin(next);
      this.querySelector("output").textContent = shown;
      const text = [say("file-host", { host: HOST.server }), say("file-username", { name: me.username }),
        say("file-new-login-pin", { pin: shown })].map((line) => `${line}\n`).join("");
      const today = new Date().toISOString().slice(0, 10);
      offerDownload(this.querySelector("[data-do=download]"), `ezdms-${me.username}-${today}.txt`, text);
      [ask.hidden, confirm.hidden] = [true, false];
      offerToManager(confirm, me, shown);
      focus(confirm.querySelector(".proof"));
    });
    const copy = this.querySelector("[data-do=copy]");
    onPress(copy, () => copyFrom(copy, this.querySelector("output").textContent));
    onPress(this.querySelector("[data-do=print]"), () => print());
    onSubmit(confirm, say("changing"), async () => {
      proveSaved(confirm, this.querySelector("output").textContent);
      const purpose = await crypto.changePinPurpose(change);
      const act = await crypto.signAct(await account, deployment, "change_pin", purpose, Date.now());
      try {
        await postForm("/change_pin", { ...change, act });
      } catch (error) { // an earlier try may have worked
        const asksForCode = ({ code }) => code === "second_step"; // only after the right PIN
        const isDone = error.code === "wrong_pin"
          && await postForm("/private_keys", nextLogin, KEYS).catch(asksForCode);
        if (!isDone) throw error;
      }
      confirm.hidden = true;
      this.querySelector(".notice").hidden = false;
    });
  }
});

// <delete-account>: permanent; requires the Login PIN and the user's key. Also deletes everything in this browser.
customElements.define("delete-account", class extends HTMLElement {
  connectedCallback() {
    onSubmit(this, say("deleting"), async () => {
      const pin = crypto.normaliseLoginPin(this.querySelector(".pin").value);
      const deployment = await deploymentId();
      const login = await crypto.loginKeys(pin, deployment);
      const act = await crypto.signAct(await account, deployment, "delete_account", "", Date.now());
      await eraseAndLeave("deleted_here", () => postForm("/delete_account", { ...login, act }));
    });
  }
});

// <log-out>: asks once, then ends the session and erases everything in this browser.
customElements.define("log-out", class extends HTMLElement {
  connectedCallback() {
    const leave = askOnce(this, () => showAlert(this));
    addEventListener("online", () => showAlert(this));
    onPress(leave, async () => {
      const end = () => postForm("/logout").catch((error) => { if (error.status !== 401) throw error; }); // had ended
      await eraseAndLeave("logged_out", end).catch((error) => showAlert(this, sentenceOf(error)));
    });
  }
});

// <color-scheme>: light, dark, or as the system. scheme.js applies it when a page is loaded.
customElements.define("color-scheme", class extends HTMLElement {
  connectedCallback() {
    for (const button of this.querySelectorAll("button")) onPress(button, () => this.#choose(button.dataset.do));
    this.#show();
  }

  #choose(scheme) {
    remember("scheme", scheme === "system" ? "" : scheme);
    document.documentElement.dataset.scheme = remembered("scheme");
    this.#show();
  }

  #show() {
    const chosen = remembered("scheme") || "system";
    for (const button of this.querySelectorAll("button")) button.ariaPressed = String(button.dataset.do === chosen);
  }
});

// <signal-settings>: read receipts and typing signals, on all of the user's devices.
customElements.define("signal-settings", class extends HTMLElement {
  connectedCallback() {
    const boxes = [...this.querySelectorAll("input")];
    onSettings((settings) => boxes.forEach((box) => { box.checked = settings[box.dataset.do]; }));
    for (const box of boxes) {
      box.addEventListener("change", ({ isTrusted }) => {
        const undo = () => { box.checked = !box.checked; }; // the page has said why it cannot be stored
        if (isTrusted) changeSettings({ [box.dataset.do]: box.checked }).catch(undo);
      });
    }
  }
});

// <search-index>: whether this browser keeps what a search has loaded.
customElements.define("search-index", class extends HTMLElement {
  connectedCallback() {
    const box = this.querySelector("input");
    searchIndex().then((index) => { box.checked = index !== null; });
    box.addEventListener("change", ({ isTrusted }) => {
      const undo = () => { box.checked = !box.checked; }; // the page has said why
      if (isTrusted) useSearchIndex(box.checked).catch(undo);
    });
  }
});

// <device-list>: the devices that are logged in, with buttons to log them out. <device-item>: one of them.

customElements.define("device-list", class extends HTMLElement {
  connectedCallback() {
    this.list = this.querySelector("#devices");
    this.others = this.querySelector("[data-do=end-others]");
    onPress(this.others, () => this.renew(() => postForFragment("/sessions/end_others")));
    this.renew(() => getFragment("/sessions/list"));
  }

  async renew(ask) {
    try {
      showAlert(this);
      await swapIn(await ask(), this.list, "innerHTML");
      const count = this.list.children.length;
      this.others.hidden = count < 2;
      this.querySelector("[data-alone]").hidden = count !== 1;
    } catch (error) {
      showAlert(this, sentenceOf(error));
    }
  }
});

// A device is described by browser and system; of a program the server knows only its name.
const PROGRAM = /^(?!Unknown browser)[A-Za-z0-9_.-]{1,40}$/;
const BROWSERS = ["Edge", "Opera", "Firefox", "Chrome", "Safari"];
function named(browser) {
  const [name, system] = browser.split(" on ");
  if (name === "Unknown browser") return say("device-unknown");
  return system ? say("device-on", { name, system }) : name;
}

function describe(browser) {
  if (browser === "ezdms") return say("device-terminal");
  if (browser === "ezdms-open") return say("device-opened");
  return PROGRAM.test(browser) && !BROWSERS.includes(browser) ? say("device-program") : named(browser);
}

customElements.define("device-item", class extends HTMLElement {
  connectedCallback() {
    const { sessionId, browser, address, createdAt, usedAt, current } = this.dataset;
    this.className = "card device";
    this.role = "listitem";
    this.append(instantiate("device"));
    const name = describe(browser);
    this.querySelector(".browser").textContent = name;
    if (current === undefined) this.querySelector(".badge").remove();
    this.querySelector(".address").textContent = address || say("unknown-address");
    this.querySelector(".since").show(Number(createdAt));
    this.querySelector(".used").show(Number(usedAt));
    const end = this.querySelector("[data-do=end]");
    end.hidden = current !== undefined;
    end.ariaLabel = say("device-end", { name });
    onPress(end, () => {
      end.disabled = true;
      return this.closest("device-list").renew(() => postForFragment(`/sessions/${sessionId}/end`));
    });
  }
});

// <served-builds>: the build of this page, and differences from those sent to the user's other devices.

const nameOf = ({ version, digest }) => say("build", { version, digest: digest.slice(0, 12) });

// Suspicious builds, as far as this browser knows.
export async function oddBuilds() {
  const { more } = await loadVaultState();
  return doubts(mergeServed(more?.served, isServed ? [await ownBuild()] : []), Date.now());
}

customElements.define("served-builds", class extends HTMLElement {
  async connectedCallback() {
    const own = await ownBuild();
    this.querySelector("[data-build]").textContent = nameOf(own);
    this.querySelector(".from-server").hidden = isOpened;
    this.querySelector(".from-here").hidden = !isOpened;
    await this.#renew().catch(() => {}); // compare what is known here
    const odd = new Set();
    for (const [kind, ...builds] of await oddBuilds()) {
      this.querySelector(`[data-odd=${kind}]`).hidden = false;
      for (const build of builds) odd.add(build);
    }
    this.querySelector(".builds").append(...[...odd].map((build) => this.#line(build, own)));
    this.querySelector("[role=alert]").hidden = !odd.size;
  }

  async #renew() {
    const { vault_version: stored } = await getStanding();
    await syncVault(stored);
    await noteServed(stored);
  }

  #line(build, own) {
    const line = instantiate("build");
    line.querySelector(".which").textContent = nameOf(build);
    line.querySelector(".since").show(build.first);
    line.querySelector(".used").show(build.last);
    line.querySelector(".until").hidden = build.first === build.last;
    if (build.version !== own.version || build.digest !== own.digest) line.querySelector(".own").remove();
    return line;
  }
});
