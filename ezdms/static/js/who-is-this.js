// <who-is-this>: how the contact was verified, and three ways to verify them: their Search PIN, the safety number, its
// QR code.

import * as crypto from "./crypto.js";
import { drawQr, focusLater, onPress, showAlert } from "./dom.js";

const TRUST = {
  "search-pin": ["Verified", " by Search PIN",
    "Their Search PIN, which they gave you, belongs to their key and no other."],
  "safety-number": ["Verified", " by safety number", "You compared safety numbers with them, and they were the same."],
  link: ["Not verified", ": added by link",
    "You opened a link with a Search PIN. The link’s author chose the person. "
    + "If the person you mean gave it to you themselves, say so; otherwise do one of these:"],
  "": ["Not verified", "", "You have not checked yet that this is the person whose name you see. Do one of these:"],
};
const DIFFERENT = "This code belongs to another conversation, or someone is between you. Do not trust it.";

customElements.define("who-is-this", class extends HTMLElement {
  connectedCallback() {
    if (this.thread) return;
    this.thread = this.closest("message-thread");
    this.button = this.thread.querySelector(".trust");
    onPress(this.button, () => this.#toggle(this.hidden));
    this.addEventListener("keydown", (event) => event.key === "Escape" && this.#toggle(false));
    const byPin = this.querySelector("start-conversation");
    byPin.expected = this.thread.conversation;
    byPin.onVerified = (how, focus) => this.#done(how, focus);
    this.#on("close", () => this.#toggle(false));
    this.#on("gave", () => this.#done("search-pin"));
    this.#on("same", () => this.#done("safety-number"));
    this.#on("differ", async () => {
      await this.thread.contact.numbersDiffer();
      this.#toggle(false);
    });
    this.#on("scan", () => this.#scan().catch((error) => showAlert(this.lastElementChild, error.message)));
    this.thread.onContact(() => this.#show());
    this.thread.ready.then(() => this.#show(), () => this.button.remove());
  }

  #on(name, work) {
    onPress(this.querySelector(`[data-do=${name}]`), work);
  }

  #show() {
    const { verified } = this.thread.contact.known;
    const [words, how, explained] = TRUST[verified] ?? TRUST[""];
    this.button.disabled = false;
    this.button.dataset.trust = verified === "link" ? "none" : verified || "none";
    const said = document.createElement("span");
    said.append(words, Object.assign(document.createElement("span"), { className: "how", textContent: how }));
    this.button.replaceChildren(said); // phones show only the words
    this.querySelector(".explained").textContent = explained;
    this.querySelector(".by-link").hidden = verified !== "link";
  }

  async #toggle(isOpen, focus = focusLater()) {
    this.hidden = !isOpen;
    this.button.ariaExpanded = String(isOpen);
    if (!isOpen) {
      this.#stopCamera();
      return focus(this.button);
    }
    focus(this.querySelector("h2"));
    const { me, partner } = await this.thread.ready;
    this.querySelector("output").textContent = await crypto.safetyNumber(me.fp, partner.fp);
    const canScan = "BarcodeDetector" in window && !!navigator.mediaDevices;
    this.querySelector("[data-do=scan]").hidden = !canScan;
    this.querySelector("[data-no-camera]").hidden = canScan;
    drawQr(this.querySelector("canvas"), crypto.safetyQr(me.fp, partner.fp));
  }

  async #done(how, focus = focusLater()) {
    await this.thread.contact.verify(how);
    if (focus() || !this.contains(document.activeElement)) this.#toggle(false, focus); // or they are typing here
  }

  // Scan until the camera sees a code, or the panel is closed.
  async #scan() {
    const video = this.querySelector("video");
    const { me, partner } = await this.thread.ready;
    const expected = crypto.safetyQr(me.fp, partner.fp);
    showAlert(this.lastElementChild);
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      throw new Error("The camera cannot be used. Compare the number instead.");
    }
    video.hidden = false;
    await video.play();
    const detector = new window.BarcodeDetector({ formats: ["qr_code"] });
    while (video.srcObject) {
      const [code] = await detector.detect(video);
      if (code?.rawValue === expected) return this.#done("safety-number");
      if (code) {
        this.#stopCamera();
        throw new Error(code.rawValue.startsWith("ezdms1:") ? DIFFERENT : "This is not an EZ-DMS code.");
      }
      await new Promise((resolve) => { setTimeout(resolve, 200); });
    }
  }

  #stopCamera() {
    const video = this.querySelector("video");
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    video.hidden = true;
  }
});
