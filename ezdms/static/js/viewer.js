// <shared-file>: the file of a message. Pictures are drawn from their thumbnail, then from their own bytes, once these
// were verified; whatever else it is can be downloaded. Nothing of a file opens or runs here.

import { b64uDecode } from "./crypto.js";
import { focusLater, onPress } from "./dom.js";
import { boxOf, decodePicture, describe, fetchFile, inTurn, loaded, makeRoom, saveFile, THUMB } from "./files.js";
import { drawable } from "./sealed-text.js";
import { instantiate } from "./shell.js";
import { playerOf } from "./voice.js";
import { say, sentenceOf, sizeInWords } from "./words.js";

const LOADED_ALONE = 1024 * 1024; // bytes: larger pictures are loaded when they are pressed
const ZOOMS = [1, 1.5, 2, 3, 5];
let viewer; // once a picture was pressed

const make = (name, properties) => Object.assign(document.createElement(name), properties);

const observer = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) target.comesIntoView(isIntersecting);
}, { rootMargin: "200px 0px" });

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
    viewer?.forget(this);
    this.#clear();
    this.remove();
  }

  #clear() {
    this.#aborter.abort();
    observer.unobserve(this);
    this.querySelector("audio-player")?.end();
    this.unload();
  }

  get #ways() { return { signal: this.#aborter.signal, onProgress: (share) => { this.bar.value = 100 * share; } }; }

  // ---- A card: name, size, kind, and what can be done ----

  #drawCard(isPlain, sentence = "", again = null) {
    const { name, size, kind } = this.file;
    const card = instantiate("file");
    const [, ending = ""] = /\.([a-z0-9]{1,5})$/i.exec(name) ?? [];
    card.querySelector(".name").textContent = kind === "voice" ? say("file-voice") : name;
    card.querySelector(".facts").textContent = [ending.toUpperCase(), sizeInWords(size)].filter(Boolean).join(" · ");
    [this.said, this.bar] = [card.querySelector(".state"), card.querySelector("progress")];
    [this.said.textContent, this.bar.ariaLabel] = [sentence, say("file-loading", { name })];
    const stop = () => { this.#aborter.abort(); this.#aborter = new AbortController(); };
    const works = { download: () => this.#download(), stop, again };
    for (const button of card.querySelectorAll("button")) {
      button.ariaLabel = `${button.textContent}: ${name}`;
      onPress(button, () => works[button.dataset.do]());
    }
    [this.button, this.stop] = card.querySelectorAll("button");
    card.querySelector("[data-do=again]").hidden = !again;
    if (isPlain) card.querySelector(".row").remove();
    else if (kind === "audio" || kind === "voice") card.querySelector(".facts").before(playerOf(this));
    this.dataset.kind = isPlain ? "other" : kind;
    this.replaceChildren(card);
  }

  // All bytes, verified.
  fetch() { return fetchFile(this.file, this.#ways); }

  async #download() {
    const show = (isBusy) => { [this.bar.hidden, this.stop.hidden, this.button.hidden] = [!isBusy, !isBusy, isBusy]; };
    [this.bar.value, this.said.textContent] = [0, ""];
    show(true);
    focusLater()(this.stop);
    const said = await this.save();
    const hadFocus = document.activeElement === this.stop;
    show(false);
    this.said.textContent = said;
    if (hadFocus) focusLater()(this.button);
  }

  // Save it on the user's device. Resolves to what to say about that.
  async save() {
    const { signal } = this.#aborter;
    try {
      return await saveFile(this.file, this.#blob, this.#ways) ? say("file-saved") : "";
    } catch (error) {
      return signal.aborted ? "" : sentenceOf(error);
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
    onPress(button, () => {
      if (!viewer?.dialog.isConnected) viewer = new Viewer();
      viewer.show(this);
    });
    this.replaceChildren(button);
    this.button = button;
    if (thumb) this.#place(new Blob([b64uDecode(thumb)]), THUMB).catch(() => {});
    observer.observe(this);
  }

  // Draw these bytes in the box.
  async #place(blob, form) {
    const { signal } = this.#aborter;
    const image = await decodePicture(blob, form);
    if (signal.aborted || (form === THUMB && this.#blob)) return URL.revokeObjectURL(image.src);
    this.#urls.push(image.src);
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
    return (this.loading ??= this.#load().finally(() => { this.loading = null; }));
  }

  async #load() {
    if (this.#blob || this.dataset.kind !== "picture") return;
    const { signal } = this.#aborter;
    this.bar.hidden = false;
    try {
      const blob = await this.fetch();
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
    this.#drawCard(false, sentenceOf(error), () => { this.drawPicture(); this.load(); });
    this.dataset.kind = "failed";
    if (hadFocus) focusLater()(this.button);
  }

  // Only the thumbnail remains.
  unload() {
    loaded.delete(this);
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
    this.#blob = null;
  }

  // The address of what is drawn.
  get address() { return this.#urls.at(-1) ?? ""; }
});

// The viewer: one picture at a time, of those that the conversation has loaded.
class Viewer {
  #zoom = 0;

  constructor() {
    document.body.append(instantiate("viewer"));
    this.dialog = document.body.lastElementChild;
    [this.name, this.stage, this.said] = ["h2", ".stage", ".state"].map((each) => this.dialog.querySelector(each));
    const acts = {
      smaller: () => this.#scale(-1), larger: () => this.#scale(1), previous: () => this.#turn(-1),
      next: () => this.#turn(1), close: () => this.dialog.close(),
      save: async () => { this.said.textContent = await this.element.save(); },
    };
    const buttons = Array.from(this.dialog.querySelectorAll("button"), (button) => [button.dataset.do, button]);
    this.buttons = Object.fromEntries(buttons);
    for (const [name, button] of buttons) onPress(button, acts[name]);
    const keys = { "+": acts.larger, "-": acts.smaller, ArrowLeft: acts.previous, ArrowRight: acts.next };
    this.dialog.addEventListener("keydown", ({ key }) => !(this.#zoom && /^Arrow/.test(key)) && keys[key]?.());
    this.dialog.addEventListener("close", () => {
      this.stage.replaceChildren();
      focusLater()(this.element.button);
    });
  }

  get #all() { return [...this.element.closest("message-thread").querySelectorAll("shared-file[data-kind=picture]")]; }

  #turn(step) {
    const next = this.#all[this.#all.indexOf(this.element) + step];
    if (next) this.show(next);
  }

  #scale(step) {
    this.#zoom = Math.max(0, Math.min(this.#zoom + step, ZOOMS.length - 1));
    this.stage.style.setProperty("--zoom", ZOOMS[this.#zoom]);
    [this.buttons.smaller.disabled, this.buttons.larger.disabled] = [!this.#zoom, !ZOOMS[this.#zoom + 1]];
  }

  async show(element) {
    this.element = element;
    const { name } = element.file;
    this.name.textContent = name;
    this.#scale(-ZOOMS.length);
    this.#draw();
    if (!this.dialog.open) this.dialog.showModal();
    focusLater()(this.stage);
    this.said.textContent = say("file-loading", { name });
    await element.load();
    if (this.element !== element) return;
    this.said.textContent = element.dataset.kind === "failed" ? element.said.textContent : "";
    this.#draw();
  }

  #draw() {
    const [{ address: src, file: { name } }, all] = [this.element, this.#all];
    const at = all.indexOf(this.element);
    [this.buttons.previous.disabled, this.buttons.next.disabled] = [at < 1, at < 0 || at === all.length - 1];
    this.stage.replaceChildren(...(src ? [make("img", { src, alt: name, decoding: "async" })] : []));
  }

  // Its message is gone.
  forget(element) {
    if (this.element === element && this.dialog.open) this.dialog.close();
  }
}
