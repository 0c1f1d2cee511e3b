// <served-builds>: the build of this page, and differences from those sent to the user's other devices.

import { loadVaultState } from "./keystore.js";
import { doubts, mergeServed } from "./served.js";
import { getStanding } from "./session.js";
import { instantiate } from "./shell.js";
import { isOpened, isServed, noteServed, ownBuild, syncVault } from "./vault.js";

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
