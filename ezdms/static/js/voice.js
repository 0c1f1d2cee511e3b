// <audio-player>: plays the audio of a message, once all of it is verified. <voice-note>: records a voice message, a
// file like any other; its thumbnail is its waveform. The microphone is asked for only by a press.

import { b64uDecode } from "./crypto.js";
import { disableWith, focusLater, onPress, showAlert } from "./dom.js";
import { asAudio, decodePicture, THUMB } from "./files.js";
import { waveOf } from "./sealing.js";
import { sealUp } from "./upload.js";
import { say, sentenceOf } from "./words.js";

const make = (name, properties) => Object.assign(document.createElement(name), properties);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// ---- Playing ----

const SPEEDS = [1, 1.5, 2];
const FAR = 1e7; // seconds: a browser that looks for this place finds the end
let playing = null; // one at a time

customElements.define("audio-player", class extends HTMLElement {
  #audio = null;
  #urls = [];

  // Play what this <shared-file> describes.
  use(file) {
    const { name, thumb } = file.file;
    this.file = file;
    const button = (className) => make("button", { type: "button", className });
    [this.button, this.speed] = [button("play"), button("speed")];
    this.place = make("input", { type: "range", min: 0, max: 0, step: 0.1, value: 0, disabled: true });
    this.place.ariaLabel = say("voice-place", { name });
    this.wave = make("span", { className: "wave" });
    this.time = make("span", { className: "time", textContent: "0:00" });
    const bar = make("span", { className: "track" });
    bar.append(this.wave, this.place);
    this.replaceChildren(this.button, bar, this.time, this.speed);
    this.#setSpeed(1);
    this.#draw();
    onPress(this.button, () => this.#press());
    onPress(this.speed, () => this.#setSpeed(SPEEDS[(SPEEDS.indexOf(this.rate) + 1) % SPEEDS.length]));
    this.place.addEventListener("input", () => { if (this.#audio) this.#audio.currentTime = this.place.value; });
    if (thumb) this.#drawWave(thumb).catch(() => {});
    return this;
  }

  async #drawWave(thumb) {
    const { src } = await decodePicture(new Blob([b64uDecode(thumb)]), THUMB);
    this.wave.style.setProperty("--wave", `url(${src})`);
    this.#urls.push(src);
  }

  #setSpeed(rate) {
    this.rate = rate;
    if (this.#audio) this.#audio.playbackRate = rate;
    this.speed.textContent = `${rate}×`;
    this.speed.ariaLabel = say("voice-speed", { speed: rate });
  }

  async #press() {
    if (this.#audio) return this.#audio.paused ? this.#play() : this.#audio.pause();
    this.button.disabled = true;
    this.file.said.textContent = "";
    try {
      await this.#load();
      await this.#play();
    } catch (error) {
      if (error.name !== "AbortError") this.file.said.textContent = sentenceOf(error);
    }
    const hadFocus = [this.button, document.body].includes(document.activeElement);
    this.button.disabled = false;
    if (hadFocus) focusLater()(this.button);
    return this.#draw();
  }

  async #load() {
    const src = URL.createObjectURL(await asAudio(await this.file.fetch()));
    this.#urls.push(src);
    const audio = make("audio", { src, preload: "auto" });
    const comes = (name) => new Promise((resolve, reject) => {
      audio.addEventListener(name, resolve, { once: true });
      audio.addEventListener("error", () => reject(new Error(say("voice-not-playable"))), { once: true });
    });
    await comes("loadedmetadata");
    if (audio.duration === Infinity) { // recorded by a browser
      audio.currentTime = FAR;
      await comes("durationchange");
      audio.currentTime = 0;
    }
    this.#audio = audio;
    for (const name of ["play", "pause", "ended", "timeupdate"]) audio.addEventListener(name, () => this.#draw());
    [this.place.max, this.place.disabled] = [audio.duration, false];
    this.#setSpeed(this.rate);
  }

  #play() {
    if (playing !== this) playing?.pause();
    playing = this;
    return this.#audio.play();
  }

  pause() { this.#audio?.pause(); }
  #draw() {
    const { paused = true, currentTime = 0, duration = 0 } = this.#audio ?? {};
    this.toggleAttribute("data-playing", !paused);
    this.button.ariaLabel = say(paused ? "voice-play" : "voice-pause");
    this.place.value = currentTime;
    this.place.setAttribute("aria-valuetext", clock(currentTime));
    this.time.textContent = clock(paused && !currentTime ? duration : currentTime);
    this.wave.style.setProperty("--played", `${duration ? (100 * currentTime) / duration : 0}%`);
  }

  disconnectedCallback() { this.pause(); }
  // Its message is gone.
  end() {
    this.pause();
    this.#audio?.removeAttribute("src");
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
  }
});

export const playerOf = (file) => document.createElement("audio-player").use(file);

// ---- Recording ----

const LONGEST = 300; // seconds
const SHORTEST = 0.5; // seconds
const HELD = 500; // ms: a shorter press goes on until it is sent
const AWAY = 80; // pixels: who lets go that far away sends nothing
const POINTER = ["pointermove", "pointerup", "pointercancel"];
const EVERY = 100; // ms between two levels of the waveform
const BITS = 32000; // per second
const DENIED = { NotAllowedError: "voice-denied", NotFoundError: "voice-no-microphone" };
const TYPES = [["audio/webm", "webm"], ["audio/ogg", "ogg"], ["audio/mp4", "m4a"]];

customElements.define("voice-note", class extends HTMLElement {
  #recording = null; // {recorder, stream, parts, levels, context, timer, began, ended}

  connectedCallback() {
    if (this.composer) return; // put away and shown again (navigate.js)
    this.composer = this.closest("message-composer");
    [this.button, this.panel] = this.children;
    this.elapsed = this.querySelector("[role=timer]");
    this.hidden = !globalThis.MediaRecorder || !navigator.mediaDevices;
    disableWith(this.button, this.composer.button);
    onPress(this.querySelector("[data-do=discard]"), () => this.#discard());
    onPress(this.querySelector("[data-do=send]"), () => this.#finish());
    this.button.addEventListener("pointerdown", (event) => {
      if (!event.isTrusted || event.button || this.#isHeld) return;
      const [began, letGo] = [Date.now(), new AbortController()];
      this.toggleAttribute("data-held", true);
      const follow = (now) => {
        if (now.pointerId !== event.pointerId) return;
        const isAway = Math.hypot(now.clientX - event.clientX, now.clientY - event.clientY) > AWAY;
        this.toggleAttribute("data-away", isAway && now.type === "pointermove");
        if (now.type === "pointermove") return;
        letGo.abort();
        this.removeAttribute("data-held");
        if (now.type === "pointercancel" || (!isAway && Date.now() - began < HELD)) this.#lock();
        else if (isAway) this.#discard();
        else if (this.#recording) this.#finish();
      };
      for (const name of POINTER) addEventListener(name, follow, { capture: true, signal: letGo.signal });
      this.#start();
    });
    onPress(this.button, ({ detail }) => detail || this.#start()); // by a key
  }

  disconnectedCallback() { this.#discard(); }
  #discard() {
    this.isUnwanted = this.isStarting;
    this.#stop();
  }

  get #isHeld() { return this.hasAttribute("data-held"); }
  // Nothing is held any more: it goes on until a button is pressed.
  #lock() { if (this.#recording) focusLater()(this.querySelector("[data-do=send]")); }

  async #start() {
    if (this.#recording || this.isStarting) return;
    [this.isStarting, this.isUnwanted] = [true, false]; // the browser asks the user
    showAlert(this.composer);
    try {
      this.composer.checkOpen();
      await this.#record(await navigator.mediaDevices.getUserMedia({ audio: true }));
      if (this.isUnwanted) this.#stop();
      if (!this.#isHeld) this.#lock();
    } catch (error) {
      this.#stop();
      const sentence = error instanceof DOMException ? say(DENIED[error.name] ?? "voice-failed") : sentenceOf(error);
      showAlert(this.composer, sentence);
    }
    this.isStarting = false;
  }

  async #record(stream) {
    const [type, ending] = TYPES.find(([each]) => MediaRecorder.isTypeSupported(each));
    const recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: BITS });
    const [context, parts, levels] = [new AudioContext(), [], []];
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(analyser);
    const wave = new Float32Array(analyser.fftSize);
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    const began = Date.now();
    const timer = setInterval(() => {
      const seconds = (Date.now() - began) / 1000;
      this.elapsed.textContent = clock(Math.min(seconds, LONGEST));
      if (seconds >= LONGEST) return recorder.state === "recording" && recorder.stop();
      analyser.getFloatTimeDomainData(wave);
      levels.push(Math.max(...wave.map(Math.abs)));
      this.style.setProperty("--level", Math.min(1, levels.at(-1)).toFixed(2));
    }, EVERY);
    const ended = new Promise((resolve) => { recorder.addEventListener("stop", resolve); });
    this.#recording = { recorder, stream, parts, levels, context, timer, began, ended, type, ending };
    recorder.start();
    this.elapsed.textContent = clock(0);
    [this.panel.hidden, this.button.ariaPressed] = [false, "true"];
  }

  // Nothing is recorded any more. Returns what was.
  #stop() {
    const recording = this.#recording;
    this.#recording = null;
    if (!recording) return null;
    clearInterval(recording.timer);
    if (recording.recorder.state !== "inactive") recording.recorder.stop();
    for (const track of recording.stream.getTracks()) track.stop();
    recording.context.close();
    const hadFocus = this.contains(document.activeElement);
    [this.panel.hidden, this.button.ariaPressed] = [true, "false"];
    if (hadFocus) focusLater()(this.button);
    return recording;
  }

  async #finish() {
    const { parts, levels, began, ended, type, ending } = this.#stop();
    try {
      if (Date.now() - began < SHORTEST * 1000) throw new Error(say("voice-too-short"));
      await ended;
      const when = new Date(began).toISOString().slice(0, 19).replace(/[T:]/g, "-");
      const shown = { name: `voice-message-${when}.${ending}`, type, thumb: await waveOf(levels), w: 0, h: 0 };
      await this.composer.outbox.uploads.add(await sealUp(new Blob(parts), shown));
    } catch (error) {
      showAlert(this.composer, sentenceOf(error));
    }
  }
});
