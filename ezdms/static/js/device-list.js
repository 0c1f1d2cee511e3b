// <device-list>: the devices that are logged in, with buttons to log them out. <device-item>: one of them.

import { onPress, showAlert } from "./dom.js";
import { swapIn } from "./guard.js";
import { getFragment, postForFragment } from "./server.js";
import { instantiate } from "./shell.js";

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
