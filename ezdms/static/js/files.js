// The files of messages: what a message says of one, its verified bytes, what they really are, and saving them. Nothing
// of a file is handed over before all of it was verified. Twin of client/carrying.py and client/naming.py.

import { b64uDecode, openFile, readFile, sealedSize } from "./crypto.js";
import { getPart, isPassing, ServerError } from "./server.js";
import { LONGEST_START, MOST_PIXELS, safeName, SIDES, sniff } from "./sealing.js";
import { say } from "./words.js";

const PICTURES = ["image/png", "image/jpeg", "image/webp", "image/gif"]; // never SVG, which is a document
const AUDIO = ["audio/ogg", "audio/webm", "audio/mp4", "audio/mpeg"];
export const THUMB = { types: ["image/webp", "image/jpeg"], mostSide: 512 };
const WIDEST = 20; // rem
const HIGHEST = 22; // rem
const REM = 16; // pixels
const NARROWEST = 6; // rem
const PART = 1024 * 1024; // bytes of a download in one request
const LEAST_PART = 64 * 1024; // after failures
const TRIES = 4; // without a byte
const FIRST_PAUSE = 500; // ms
const SLOWEST = 8; // bytes per ms of a download; what takes longer does not end
const LEAST_TIME = 120000; // ms that any download may take
const AT_ONCE = 2; // pictures that load by themselves: messages are not kept waiting
const MOST_KEPT = 64 * 1024 * 1024; // bytes of pictures out of view
const KEEP_LINK = 60000; // ms

// ---- What a message says of its file ----

const VOICE = /^voice-message[\w-]*\.\w+$/;
const kinds = { picture: PICTURES, audio: AUDIO };

// {id, key, size, hash, thumb, w, h, name, kind} of a file message's content. `name`: made safe. `kind`: "picture",
// "audio", "voice" or "other", as its sender says: it decides only how the file is shown.
export function describe(content) {
  const { name: given, type, ...file } = readFile(content);
  const name = safeName(given);
  const kind = Object.keys(kinds).find((each) => kinds[each].includes(type)) ?? "other";
  return { ...file, name, kind: kind === "audio" && VOICE.test(name) ? "voice" : kind };
}

// What stands for a message in one line. `view`: what it shows (changes.js).
export function wordsOf({ state, text }) {
  if (state !== "file") return text;
  const { kind, name } = describe(text);
  if (kind === "picture" || kind === "voice") return say(`file-${kind}`);
  return `📎 ${name}`;
}

// ---- Its bytes ----

const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// The sealed bytes, continued after lost connections. `onProgress(share)`: from 0 to 1. Throws ServerError.
async function download({ id: fileId, size: plainSize }, { signal, onProgress }) {
  const size = sealedSize(plainSize);
  const [sealed, until] = [new Uint8Array(size), Date.now() + LEAST_TIME + size / SLOWEST];
  let [at, part, failures] = [0, PART, 0];
  while (at < size) {
    try {
      for await (const block of getPart(`/files/${fileId}`, at, Math.min(at + part, size), size, signal)) {
        sealed.set(block, at);
        at += block.length;
        failures = 0;
        onProgress(at / size);
        if (Date.now() > until) throw new ServerError(0, null, say("file-too-slow"));
      }
    } catch (error) {
      signal.throwIfAborted();
      failures += 1;
      if (!isPassing(error) || failures === TRIES || Date.now() > until) throw error;
      part = Math.max(part / 2, LEAST_PART);
      await wait(error.retryAfter * 1000 || FIRST_PAUSE * 2 ** failures);
    }
  }
  return sealed;
}

// Yields the file's bytes once all of it has arrived and has the hash that was signed. They count only at the end.
async function* openWhole(file, ways) {
  yield* openFile(file, await download(file, ways));
}

// All bytes, verified. Throws ProtocolError or ServerError.
export async function fetchFile(file, ways) {
  const parts = [];
  for await (const plain of openWhole(file, ways)) parts.push(plain);
  return new Blob(parts); // no type: nothing opens it
}

// ---- What they really are ----

const refuse = (key) => { throw new Error(say(key)); };
const checkSides = ([wide, high], mostSide = Infinity) =>
  (wide * high > MOST_PIXELS || Math.max(wide, high) > mostSide) && refuse("file-too-many-pixels");

// The same bytes as a Blob of the type that they have. Throws unless they are a picture of one of these types, and can
// be drawn here. `mostSide`: pixels.
async function asPicture(blob, { types = PICTURES, mostSide } = {}) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const type = sniff(bytes);
  let sides = [0];
  try {
    if (types.includes(type)) sides = SIDES[type](new DataView(bytes.buffer), bytes);
  } catch {} // it ends before that
  if (sides.includes(0)) refuse("file-no-picture");
  checkSides(sides, mostSide);
  return new Blob([bytes], { type });
}

// An image of these bytes, decoded, which happens outside of this thread. Its address must be revoked when it is gone.
export async function decodePicture(blob, form) {
  const src = URL.createObjectURL(await asPicture(blob, form));
  const image = Object.assign(document.createElement("img"), { src, alt: "", decoding: "async", draggable: false });
  try {
    await image.decode().catch(() => refuse("file-no-picture"));
    checkSides([image.naturalWidth, image.naturalHeight], form?.mostSide); // whatever they seemed to be
  } catch (error) {
    URL.revokeObjectURL(src);
    throw error;
  }
  return image;
}

// Draw the thumbnail in a description, if there is one.
export async function drawThumb(content, canvas) {
  const { thumb } = describe(content);
  if (!thumb) return;
  const image = await decodePicture(new Blob([b64uDecode(thumb)]), THUMB);
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d").drawImage(image, 0, 0);
  URL.revokeObjectURL(image.src);
  canvas.hidden = false;
}

// A box of the size that the message says, before anything has loaded; the picture is drawn inside of it whatever its
// own size is.
export function boxOf({ w, h }) {
  const ratio = w && h ? Math.max(0.4, Math.min(w / h, 2.5)) : 4 / 3;
  const width = Math.min(WIDEST, HIGHEST * ratio, w && h ? w / REM : WIDEST);
  return { "--width": `${Math.max(NARROWEST, width)}rem`, "--ratio": String(ratio) };
}

// The same bytes as a Blob of the type that they have. Throws unless that is audio.
export async function asAudio(blob) {
  const type = sniff(new Uint8Array(await blob.slice(0, LONGEST_START).arrayBuffer()));
  return AUDIO.includes(type) ? blob.slice(0, blob.size, type) : refuse("voice-not-playable");
}

// ---- Many at once ----

// Pictures load in turn. When there are many, those out of view are dropped.
let free = AT_ONCE;
const turns = [];
export async function inTurn(work) {
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

export const loaded = new Map(); // element → bytes
export function makeRoom() {
  let total = [...loaded.values()].reduce((sum, size) => sum + size, 0);
  for (const [element, size] of loaded) {
    if (total <= MOST_KEPT) return;
    if (element.isInView) continue;
    element.unload();
    element.drawPicture();
    total -= size;
  }
}

// ---- Saving ----

// A file that the user chose on their disk, in which the bytes appear only when it is closed. Null: canceled.
// Undefined: this browser has no such thing.
async function choosePlace(name) {
  try {
    return await globalThis.showSaveFilePicker?.({ suggestedName: name });
  } catch (error) {
    return error.name === "AbortError" ? null : undefined;
  }
}

async function writeTo(place, parts) {
  const wasEmpty = !(await place.getFile()).size;
  const target = await place.createWritable();
  try {
    for await (const part of parts) await target.write(part);
    await target.close();
  } catch (error) {
    await target.abort().catch(() => {});
    if (wasEmpty) await place.remove?.().catch(() => {});
    throw error;
  }
}

// Save a file on the user's device, if all of it is verified. `blob`: its bytes, if they are here already. Must be
// called by a press. Returns false if the user canceled.
export async function saveFile(file, blob, ways) {
  const place = await choosePlace(file.name);
  if (place === null) return false;
  if (place) {
    await writeTo(place, blob ? [blob] : openWhole(file, ways));
    return true;
  }
  const whole = new Blob([blob ?? await fetchFile(file, ways)], { type: "application/octet-stream" });
  const href = URL.createObjectURL(whole);
  Object.assign(document.createElement("a"), { href, download: file.name }).click();
  setTimeout(() => URL.revokeObjectURL(href), KEEP_LINK);
  return true;
}
