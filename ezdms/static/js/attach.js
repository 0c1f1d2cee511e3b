// <attach-files>: files that the user chooses, pastes or drops. Pictures lose what they tell about the camera and the
// place (EXIF, XMP, comments, texts), but keep their orientation; then sealing.js and upload.js take them.

import { disableWith, onPress, openDialog, showAlert } from "./dom.js";
import { drawable } from "./sealed-text.js";
import {
  ascii, isLarge, largestFile, LONGEST_START, orientationOf, prepareFile, safeName, SIDES, sniff, viewOf,
} from "./sealing.js";
import { sealUp } from "./upload.js";
import { say, sentenceOf, sizeInWords } from "./words.js";

const MOST_READ = 100 * 1024 * 1024; // bytes of a picture, which may become smaller

// ---- Pictures without their metadata. Each takes all bytes, and throws if they are malformed. ----

const bytesOf = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const readBytes = async (blob) => new Uint8Array(await blob.arrayBuffer());
// EXIF that tells the orientation and nothing else.
const exifOf = (orientation) => bytesOf(`MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0${
  String.fromCharCode(orientation)}\0\0\0\0\0\0`);

// One part of a JPEG: what belongs to the picture and its colors, or nothing.
function keptOfJpeg(marker, part) {
  if (marker >= 0xc0 && marker <= 0xdf) return [part];
  const name = ascii(part, 4, 12);
  if (marker === 0xe0 && name.startsWith("JFIF\0")) { // without its thumbnail
    return [Uint8Array.of(0xff, 0xe0, 0, 16, ...part.subarray(4, 16), 0, 0)];
  }
  const isKept = (marker === 0xe2 && name === "ICC_PROFILE\0") || (marker === 0xee && name.startsWith("Adobe"));
  return isKept ? [part] : [];
}

function cleanJpeg(bytes) {
  const [view, parts] = [viewOf(bytes), []];
  let [at, exif] = [2, null];
  for (let marker = 0; marker !== 0xd9 && at + 1 < bytes.length;) { // what comes after its end is no part of it
    marker = bytes[at + 1];
    if (bytes[at] !== 0xff) throw new RangeError("Expected a picture.");
    if (marker === 0xd9) parts.push(bytes.subarray(at, at + 2));
    if (marker === 0xff) at += 1; // filling
    if (marker === 0xff || marker === 0xd9) continue;
    let end = at + 2 + view.getUint16(at + 2);
    if (end > bytes.length) throw new RangeError("Expected a picture.");
    const part = bytes.subarray(at, end);
    if (marker === 0xe1 && ascii(part, 4, 6) === "Exif\0\0") exif ??= part.subarray(4);
    parts.push(...keptOfJpeg(marker, part));
    if (marker === 0xda) { // followed by the picture, up to a marker that is none of its own
      at = end;
      const isInside = () => bytes[end] !== 0xff || bytes[end + 1] === 0 || (bytes[end + 1] & 0xf8) === 0xd0;
      while (end < bytes.length && isInside()) end = (bytes.indexOf(0xff, end + 1) + 1 || bytes.length + 1) - 1;
      parts.push(bytes.subarray(at, end));
    }
    at = end;
  }
  const turned = exif ? orientationOf(exif) : 1;
  const kept = turned > 1 ? [bytesOf("\xff\xe1\0\x22Exif\0\0"), exifOf(turned)] : [];
  return { parts: [bytes.subarray(0, 2), ...kept, ...parts] };
}

const OF_PNG = "IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs acTL fcTL fdAT cICP".split(" ");

function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

function pngChunk(name, content) {
  const chunk = new Uint8Array([0, 0, 0, 0, ...bytesOf(name), ...content, 0, 0, 0, 0]);
  viewOf(chunk).setUint32(0, content.length);
  viewOf(chunk).setInt32(chunk.length - 4, crc32(chunk.subarray(4, -4)));
  return chunk;
}

function cleanPng(bytes) {
  const [view, parts] = [viewOf(bytes), []];
  let [at, name, turned, isAnimated] = [8, "", 1, false];
  for (; name !== "IEND"; at += 12 + view.getUint32(at)) {
    name = ascii(bytes, at + 4, 4);
    const end = at + 12 + view.getUint32(at); // the next chunk is read only if it is there
    if (name === "eXIf") turned = orientationOf(bytes.subarray(at + 8, end - 4));
    isAnimated ||= name === "acTL";
    if (OF_PNG.includes(name)) parts.push(bytes.subarray(at, end));
  }
  if (turned > 1) parts.splice(1, 0, pngChunk("eXIf", exifOf(turned)));
  return { parts: [bytes.subarray(0, 8), ...parts], isAnimated };
}

const OF_WEBP = ["VP8X", "VP8 ", "VP8L", "ALPH", "ANIM", "ANMF", "ICCP"];
function cleanWebp(bytes) {
  const [view, parts] = [viewOf(bytes), []];
  let [at, turned, isAnimated] = [12, 1, false];
  for (const all = Math.min(bytes.length, 8 + view.getUint32(4, true)); at + 8 <= all;) {
    const [name, size] = [ascii(bytes, at, 4), view.getUint32(at + 4, true)];
    const end = at + 8 + size + (size % 2);
    if (at + 8 + size > bytes.length) throw new RangeError("Expected a picture.");
    if (name === "EXIF") turned = orientationOf(bytes.subarray(at + 8, at + 8 + size));
    isAnimated ||= name === "ANIM";
    if (OF_WEBP.includes(name)) parts.push(bytes.slice(at, end));
    at = end;
  }
  if (parts[0] && ascii(parts[0], 0, 4) === "VP8X") parts[0][8] = (parts[0][8] & ~0x0c) | (turned > 1 ? 8 : 0);
  if (turned > 1) parts.push(bytesOf("EXIF\x1a\0\0\0"), exifOf(turned));
  const head = bytes.slice(0, 12);
  viewOf(head).setUint32(4, parts.reduce((sum, { length }) => sum + length, 4), true);
  return { parts: [head, ...parts], isAnimated };
}

const CLEAN = {
  "image/jpeg": cleanJpeg, "image/png": cleanPng, "image/webp": cleanWebp,
  "image/gif": (bytes) => ({ parts: [bytes], isAnimated: true }), // it tells nothing of that kind
};

// {type, blob, sides, isAnimated} of a picture, without its metadata. Null if it is none; false if it says that it is,
// but cannot be read here.
async function readPicture(file) {
  const type = sniff(await readBytes(file.slice(0, LONGEST_START)));
  if (!CLEAN[type] || file.size > MOST_READ) return file.type.startsWith("image/") ? false : null;
  try {
    const bytes = await readBytes(file);
    const { parts, isAnimated } = CLEAN[type](bytes);
    const whole = await readBytes(new Blob(parts)); // Firefox decodes no Blob of several parts
    return { type, blob: new Blob([whole], { type }), sides: SIDES[type](viewOf(bytes), bytes), isAnimated };
  } catch (error) {
    if (error instanceof RangeError) return false; // it cannot be decoded either
    throw error;
  }
}

// ---- How files are chosen ----

customElements.define("attach-files", class extends HTMLElement {
  #turn = Promise.resolve();
  #answer;

  connectedCallback() {
    if (this.composer) return; // put away and shown again (navigate.js)
    this.composer = this.closest("message-composer");
    const [button, send] = [this.querySelector("button"), this.composer.button];
    const input = Object.assign(document.createElement("input"), { type: "file", multiple: true });
    disableWith(button, send);
    onPress(button, () => input.click());
    input.addEventListener("change", () => {
      this.take([...input.files], false);
      input.value = ""; // the same one can be chosen again
    });
    const sheet = this.querySelector(".sheet");
    sheet.popover = "auto";
    sheet.addEventListener("toggle", ({ newState }) => newState === "closed" && this.#answer?.("cancel"));
    for (const each of sheet.querySelectorAll("button")) {
      onPress(each, () => {
        this.#answer?.(each.dataset.do);
        sheet.hidePopover();
      });
    }
  }

  // Send these files, in order. `mayBeMistake`: they were not chosen in a dialog, so the user is asked.
  take(files, mayBeMistake) {
    const { uploads } = this.composer.outbox;
    const work = () => this.#take(files, mayBeMistake).catch((error) => this.#tell(sentenceOf(error)));
    const turn = this.#turn.then(work).then(() => { if (uploads.chosen === turn) uploads.chosen = null; });
    [this.#turn, uploads.chosen] = [turn, turn];
  }

  #tell(...sentences) { showAlert(this.composer, sentences.filter(Boolean).join(" ")); }

  async #take(files, mayBeMistake) {
    this.composer.checkOpen();
    const most = await largestFile();
    this.#tell();
    const chosen = [];
    for (const file of files) chosen.push({ file, name: safeName(file.name), picture: await readPicture(file) });
    const isAnyLarge = chosen.some(isLarge);
    const how = mayBeMistake || isAnyLarge ? await this.#ask(chosen, isAnyLarge) : "send";
    if (how === "cancel") return;
    const said = [];
    for (const each of chosen) {
      const sent = this.#send(each, how === "smaller" && isLarge(each), most);
      said.push(await sent.catch((error) => sentenceOf(error)));
    }
    this.#tell(...said);
  }

  // Returns what the user should know about it, or "".
  async #send(chosen, isSmaller, most) {
    const { name, picture } = chosen;
    if (!chosen.file.size) throw new Error(say("file-empty", { name }));
    const { blob, shown } = await prepareFile(chosen, isSmaller);
    if (blob.size > most) throw new Error(say("file-too-large", { name, size: sizeInWords(most) }));
    const sealed = await sealUp(blob, shown).catch((error) => {
      throw error.kind ? error : new Error(say("file-unreadable", { name }));
    });
    await this.composer.outbox.uploads.add(sealed);
    return picture === false ? say("file-as-it-is", { name }) : ""; // it still tells all that it told
  }

  // Resolves to the name of the button that was pressed.
  #ask(chosen, isAnyLarge) {
    const sheet = this.querySelector(".sheet");
    const asked = { count: chosen.length, name: this.composer.thread.partnerName };
    sheet.querySelector("h2").textContent = say("send-files", asked);
    sheet.querySelector(".names").replaceChildren(...chosen.map(({ name }) => {
      drawable(name);
      return Object.assign(document.createElement("p"), { dir: "auto", textContent: name });
    }));
    const when = isAnyLarge ? "large" : "other";
    for (const each of sheet.querySelectorAll("[data-when]")) each.hidden = each.dataset.when !== when;
    openDialog(sheet, [...sheet.querySelectorAll("button")].find(({ hidden }) => !hidden));
    return new Promise((resolve) => { this.#answer = resolve; });
  }
});

const areFiles = ({ types }) => types.includes("Files");
const shownOne = (target) => {
  const thread = target === document.body ? document.getElementById("main") : target.closest?.("message-thread");
  return thread?.querySelector("attach-files");
};
let over; // the conversation that would get them
function showOver(place) {
  over?.removeAttribute("data-over");
  over = place?.closest("message-thread");
  over?.setAttribute("data-over", "");
}
addEventListener("dragover", (event) => { // dropped elsewhere, it would replace the page
  if (!areFiles(event.dataTransfer)) return;
  event.preventDefault();
  const place = shownOne(event.target);
  event.dataTransfer.dropEffect = place ? "copy" : "none";
  showOver(place);
});
addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || showOver());
addEventListener("drop", (event) => {
  if (!areFiles(event.dataTransfer)) return;
  event.preventDefault();
  showOver();
  shownOne(event.target)?.take([...event.dataTransfer.files], true);
});
addEventListener("paste", (event) => { // a table comes as a text and a picture of it
  const { files, types } = event.clipboardData;
  const place = files.length && !types.includes("text/plain") && shownOne(event.target);
  if (place) event.preventDefault();
  if (place) place.take([...files], true);
});
