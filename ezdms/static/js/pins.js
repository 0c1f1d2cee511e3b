// The user's own PINs. <welcome-card>: shows the new Login PIN until it is saved; it is kept only in this tab, and
// survives a reload. <my-search-pin>: the Search PIN, computed here from their key, so that it is theirs whatever the
// server says.

import { b64uEncode, newSearchSalt, showLoginPin, signAct } from "./crypto.js";
import { copyFrom, drawQr, offerDownload, onPress, onSubmit, showAlert, showUsername } from "./dom.js";
import { NEW_PIN as KEY } from "./first.js";
import { deploymentId, postForm } from "./server.js";
import { account, getStanding, ownSearchPin } from "./session.js";
import { HOST } from "./shell.js";
import { say } from "./words.js";

export const keepNewPin = (userId, pin) => sessionStorage.setItem(KEY, `${userId} ${pin}`);
// Only of this account: another tab may have created another one.
const newPinOf = ({ user_id: userId }) => {
  const [whose, pin] = (sessionStorage.getItem(KEY) ?? "").split(" ");
  return whose === userId ? pin : null;
};
export const hasNewPin = (account) => newPinOf(account) !== null;

// Throws unless the form's field has the end of this PIN, or all of it.
export function proveSaved(form, pin, sentence = say("pin-unproven")) {
  const typed = form.querySelector(".proof").value.toUpperCase().replace(/[\s-]/g, "");
  const read = typed.replaceAll("O", "0").replace(/[IL]/g, "1");
  if (read.length < 4 || !pin.replaceAll("-", "").endsWith(read)) throw new Error(sentence);
}

// Give the new PIN to the browser’s password manager: a field that only it reads.
export function offerToManager(form, { username }, pin) {
  showUsername(form, username);
  form.querySelector("[data-new-pin]").value = pin;
}

customElements.define("welcome-card", class extends HTMLElement {
  async connectedCallback() {
    const me = await account;
    const pin = showLoginPin(newPinOf(me));
    const searchPin = await ownSearchPin(me, me.search_salt);
    const output = (name) => this.querySelector(`[data-testid=${name}]`);
    showUsername(this, me.username);
    output("login-pin").textContent = pin;
    output("search-pin").textContent = searchPin;
    for (const button of this.querySelectorAll("[data-copy]")) {
      onPress(button, () => copyFrom(button, output(button.dataset.copy).textContent));
    }
    onPress(this.querySelector("[data-do=print]"), () => print());
    const text = [say("file-host", { host: HOST.server }), say("file-username", { name: me.username }),
      say("file-login-pin", { pin }), say("file-search-pin", { pin: searchPin })].map((line) => `${line}\n`).join("");
    offerDownload(this.querySelector("[data-do=download]"), `ezdms-${me.username}.txt`, text);
    offerToManager(this, me, pin);
    onSubmit(this, say("checking"), () => {
      proveSaved(this, pin);
      sessionStorage.removeItem(KEY);
      location.assign("/");
    });
  }
});

customElements.define("my-search-pin", class extends HTMLElement {
  async connectedCallback() {
    try {
      const me = await account;
      // another device may have replaced it; shown even if the server cannot be reached
      const { search_salt: salt } = await getStanding().catch(() => me);
      await this.#show(await ownSearchPin(me, salt));
    } catch {
      showAlert(this, say("search-pin-unknown"));
    }
  }

  async #show(searchPin) {
    this.querySelector("output").textContent = searchPin;
    this.#offer("copy", (button) => copyFrom(button, searchPin));
    if (!this.querySelector("canvas")) return; // next to the list, only the PIN is shown
    const link = `${HOST.server}/#add=${searchPin}`; // the part after # is never sent to a server
    this.querySelector("code").textContent = link;
    this.querySelector(".link").hidden = false;
    this.#offer("copy-link", (button) => copyFrom(button, link));
    const letter = { title: "EZ-DMS", text: say("search-pin-letter", { pin: searchPin }), url: link };
    if (navigator.canShare?.(letter)) this.#offer("share", () => navigator.share(letter).catch(() => {})); // canceled
    drawQr(this.querySelector("canvas"), link);
  }

  #offer(name, work) {
    const button = this.querySelector(`[data-do=${name}]`);
    onPress(button, () => work(button));
    button.hidden = button.disabled = false;
  }
});

// <new-search-pin>: replaces the Search PIN. The new one commits to the same key, so conversations stay as they are.
customElements.define("new-search-pin", class extends HTMLElement {
  connectedCallback() {
    const question = this.querySelector("[data-asked]");
    onSubmit(this, say("replacing"), async () => {
      if (question.hidden) { // ask once
        question.hidden = false;
        return;
      }
      const search_salt = b64uEncode(newSearchSalt());
      const act = await signAct(await account, await deploymentId(), "search_pin", search_salt, Date.now());
      await postForm("/search_pin", { search_salt, act });
      location.reload();
    });
  }
});
