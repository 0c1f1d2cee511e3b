// <shared-file>: the file of a message. Pictures are drawn from their thumbnail, then from their own bytes, once these
// were verified; whatever else it is can be downloaded. Nothing of a file opens or runs here.

import { b64uDecode } from "./crypto.js";
import { onPress } from "./dom.js";
import { asPicture, describe, fetchFile, saveFile, sizeInWords } from "./files.js";
import { drawable } from "./sealed-text.js";
import { say, sentenceOf } from "./words.js";

const LOADED_ALONE = 1024 * 1024; // bytes: larger pictures are loaded when they are pressed
const THUMB = { types: ["image/webp", "image/jpeg"], mostSide: 512 };
const AT_ONCE = 2; // pictures that load by themselves: messages are not kept waiting
const MOST_KEPT = 64 * 1024 * 1024; // bytes of pictures out of view
const WIDEST = 20; // rem
const HIGHEST = 22; // rem
const REM = 16; // pixels
const NARROWEST = 6; // rem

const make = (name, properties) => Object.assign(document.createElement(name), properties);

// Pictures load in turn, and those out of view are dropped when there are many.
let free = AT_ONCE;
const turns = [];
async function inTurn(work) {
  if (free) free -= 1;
  else await new Promise((resolve) => { turns.push(resolve); });
  try {
    await work();
  } finally {
    const next = turns.shift();
    if (next) next();
    else free += 1;
  }
}

const loaded = new Map(); // element → bytes
function makeRoom() {
  let total = [...loaded.values()].reduce((sum, size) => sum + size, 0);
  for (const [element, size] of loaded) {
    if (total <= MOST_KEPT) return;
    if (element.isInView) continue;
    element.unload();
    element.drawPicture();
    total -= size;
  }
}

const observer = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) target.comesIntoView(isIntersecting);
}, { rootMargin: "200px 0px" });

// A box of the size that the message says, before anything has loaded; the picture is drawn inside of it whatever its
// own size is.
function boxOf({ w, h }) {
  const ratio = w && h ? Math.max(0.4, Math.min(w / h, 2.5)) : 4 / 3;
  const width = Math.min(WIDEST, HIGHEST * ratio, w && h ? w / REM : WIDEST);
  return { "--width": `${Math.max(NARROWEST, width)}rem`, "--ratio": String(ratio) };
}

customElements.define("shared-file", class extends HTMLElement {
  #aborter = new AbortController();
  #drawn = ""; // what it shows, as JSON
  #blob = null; // all bytes, verified, of a picture
  #urls = []; // of what is drawn
  isInView = false;

  // Draw the file that this content (files.js) describes. `isPlain`: of a request, so nothing is loaded or offered.
  show(content, isPlain) {
    const drawn = JSON.stringify([content, isPlain]);
    if (drawn === this.#drawn) return;
    if (this.#drawn) this.#clear();
    [this.#drawn, this.#aborter] = [drawn, new AbortController()];
    this.file = describe(content);
    drawable(this.file.name);
    if (this.file.kind === "picture" && !isPlain) this.drawPicture();
    else this.#drawCard(isPlain);
  }

  // Its message is gone: so is everything that was loaded of it.
  end() {
    this.#clear();
    this.remove();
  }

  #clear() {
    this.#aborter.abort();
    observer.unobserve(this);
    this.unload();
  }

  get #ways() { return { signal: this.#aborter.signal, onProgress: (share) => this.#progress(share) }; }

  #progress(share) {
    const percent = String(Math.floor(share * 100));
    if (this.bar) this.bar.value = percent;
  }

  // ---- A card: name, size, kind, and what can be done ----

  #drawCard(isPlain, sentence = "", again = null) {
    const { name, size, kind } = this.file;
    const [, ending = ""] = /\.([a-z0-9]{1,5})$/i.exec(name) ?? [];
    const card = make("div", { className: "file" });
    const facts = [ending.toUpperCase(), sizeInWords(size)].filter(Boolean).join(" · ");
    const called = make("span", { className: "name", dir: "auto", textContent: name });
    card.append(called, make("span", { className: "facts", textContent: facts }));
    this.said = make("p", { className: "state", role: "status", textContent: sentence });
    this.bar = make("progress", { max: 100, hidden: true, ariaLabel: say("file-loading", { name }) });
    card.append(this.bar, this.said);
    if (!isPlain) card.append(this.#buttons(again));
    this.dataset.kind = isPlain ? "other" : kind;
    this.replaceChildren(card);
  }

  #buttons(again) {
    const buttons = make("div", { className: "row" });
    const { name } = this.file;
    const button = (key, work) => {
      const made = make("button", { type: "button", className: "small", textContent: say(key) });
      made.ariaLabel = `${say(key)}: ${name}`;
      onPress(made, work);
      buttons.append(made);
      return made;
    };
    this.button = button("file-download", () => this.#download());
    this.stop = button("file-stop", () => this.#stop());
    this.stop.hidden = true;
    if (again) button("try-again", again);
    return buttons;
  }

  #stop() {
    this.#aborter.abort();
    this.#aborter = new AbortController();
  }

  async #download() {
    const { signal } = this.#aborter;
    const show = (isBusy, sentence) => {
      [this.bar.hidden, this.stop.hidden, this.button.hidden] = [!isBusy, !isBusy, isBusy];
      this.said.textContent = sentence;
    };
    this.bar.value = 0;
    show(true, "");
    try {
      const isSaved = await saveFile(this.file, this.#blob, this.#ways);
      show(false, isSaved ? say("file-saved") : "");
    } catch (error) {
      show(false, signal.aborted ? "" : sentenceOf(error));
    }
  }

  // ---- A picture ----

  drawPicture() {
    const { name, size, thumb } = this.file;
    this.dataset.kind = "picture";
    const label = `${say("file-picture")}: ${name}`;
    const button = make("button", { type: "button", className: "picture", ariaLabel: label, title: name });
    for (const [property, value] of Object.entries(boxOf(this.file))) button.style.setProperty(property, value);
    this.bar = make("progress", { max: 100, hidden: true, ariaLabel: say("file-loading", { name }) });
    this.hint = make("span", { className: "hint", textContent: sizeInWords(size) });
    button.append(this.hint, this.bar);
    onPress(button, () => this.open());
    this.replaceChildren(button);
    this.button = button;
    if (thumb) this.#place(new Blob([b64uDecode(thumb)]), THUMB).catch(() => {});
    observer.observe(this);
  }

  // Draw these bytes in the box, once they were decoded, which happens outside of this thread.
  async #place(blob, form) {
    const { signal } = this.#aborter;
    const url = URL.createObjectURL(await asPicture(blob, form));
    const image = make("img", { src: url, alt: "", decoding: "async", draggable: false });
    try {
      await image.decode();
    } catch {
      URL.revokeObjectURL(url);
      throw new Error(say("file-no-picture"));
    }
    if (signal.aborted || (form === THUMB && this.#blob)) return URL.revokeObjectURL(url);
    this.#urls.push(url);
    this.button.querySelector("img")?.remove();
    this.button.prepend(image);
  }

  comesIntoView(isInView) {
    this.isInView = isInView;
    const isSmall = this.file.size <= LOADED_ALONE && !navigator.connection?.saveData;
    if (isInView && isSmall && !this.#blob) inTurn(() => this.isInView && this.load());
  }

  // Load the picture, once.
  load() {
    this.loading ??= this.#load().finally(() => { this.loading = null; });
    return this.loading;
  }

  async #load() {
    if (this.#blob || this.dataset.kind !== "picture") return;
    const { signal } = this.#aborter;
    this.bar.hidden = false;
    try {
      const blob = await fetchFile(this.file, this.#ways);
      signal.throwIfAborted();
      this.#blob = blob;
      await this.#place(blob);
      this.hint.hidden = true;
      loaded.set(this, blob.size);
      makeRoom();
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
    this.bar.hidden = true;
  }

  // It is not what it should be, or not there: its name remains, and what can be done.
  #fail(error) {
    const hadFocus = this.contains(document.activeElement);
    observer.unobserve(this);
    this.unload();
    const again = () => { this.drawPicture(); this.load(); };
    this.#drawCard(false, sentenceOf(error), again);
    this.dataset.kind = "failed";
    if (hadFocus) this.button.focus();
  }

  // Only the thumbnail remains.
  unload() {
    loaded.delete(this);
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
    this.#blob = null;
  }

  open() {
    return this.load();
  }
});
