// <device-list>: the devices that are logged in, with buttons to log them out. <device-item>: one of them.

import { onPress, showAlert } from "./dom.js";
import { swapIn } from "./guard.js";
import { loadVaultState } from "./keystore.js";
import { doubts, mergeServed } from "./served.js";
import { getFragment, postForFragment } from "./server.js";
import { getStanding } from "./session.js";
import { instantiate } from "./shell.js";
import { isOpened, isServed, noteServed, ownBuild, syncVault } from "./vault.js";

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
      showAlert(this, error.message);
    }
  }
});

// A device is described by browser and system; of a program the server knows only its name.
const PROGRAM = /^(?!Unknown browser)[A-Za-z0-9_.-]{1,40}$/;
const BROWSERS = ["Edge", "Opera", "Firefox", "Chrome", "Safari"];
function describe(browser) {
  if (browser === "ezdms") return "EZ-DMS in a terminal or program";
  if (browser === "ezdms-open") return "A page opened with “ezdms open”";
  return PROGRAM.test(browser) && !BROWSERS.includes(browser) ? "Another program" : browser;
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
    this.querySelector(".address").textContent = address || "Unknown address";
    this.querySelector(".since").show(Number(createdAt));
    this.querySelector(".used").show(Number(usedAt));
    const end = this.querySelector("[data-do=end]");
    end.hidden = current !== undefined;
    end.ariaLabel = `Log out: ${name}`;
    onPress(end, () => {
      end.disabled = true;
      return this.closest("device-list").renew(() => postForFragment(`/sessions/${sessionId}/end`));
    });
  }
});

// <served-builds>: the build of this page, and differences from those sent to the user's other devices.

const nameOf = ({ version, digest }) => `EZ-DMS ${version}, build ${digest.slice(0, 12)}`;

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
