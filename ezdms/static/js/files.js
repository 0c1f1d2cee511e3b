// The files of messages: what a message says of one, its verified bytes, what they really are, and saving them. Nothing
// of a file is handed over before all of it was verified. Twin of client/carrying.py and client/naming.py.

import { openFile, readFile, sealedSize } from "./crypto.js";
import { getPart, isPassing, ServerError } from "./server.js";
import { LOCALE, say } from "./words.js";

const PICTURES = ["image/png", "image/jpeg", "image/webp", "image/gif"]; // never SVG, which is a document
const AUDIO = ["audio/ogg", "audio/webm", "audio/mp4", "audio/mpeg"];
const MOST_PIXELS = 50e6;
const PART = 1024 * 1024; // bytes of a download in one request
const LEAST_PART = 64 * 1024; // after failures
const TRIES = 6; // without a byte
const FIRST_PAUSE = 500; // ms
const SLOWEST = 8; // bytes per ms of a download; what takes longer does not end
const LEAST_TIME = 120000; // ms that any download may take
const KEEP_LINK = 60000; // ms

// ---- What a message says of its file ----

// Controls, all characters that change text direction or are invisible, and what no file system likes.
const UNSAFE = new RegExp("[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
  + "\\ufff9-\\ufffb\\ud800-\\udfff/\\\\:*?\"<>|]", "gu");
const RESERVED = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$/i; // on Windows
const LONGEST = 128; // code points
const MOST_BYTES = 200; // of UTF-8: file systems take 255, and a number may be added
const LONGEST_ENDING = 16; // characters

const sizeOf = (text) => new TextEncoder().encode(text).length;

// A name that stays in its folder, cannot be hidden, mistaken for an option, or read in another direction.
export function safeName(given) {
  let name = given.normalize("NFC").replace(UNSAFE, "_").replace(/^[ .]+|[ .]+$/g, "");
  if (!name.replaceAll("_", "")) return "file";
  if (name.startsWith("-") || RESERVED.test(name)) name = `_${name}`;
  const [, start, ending = ""] = /^([^]*?)(\.[^.]*)?$/.exec(name);
  const [stem, tail] = [...ending].length - 1 > LONGEST_ENDING ? [name, ""] : [start, ending === "." ? "" : ending];
  const letters = [...stem].slice(0, LONGEST - [...tail].length);
  while (sizeOf(letters.join("") + tail) > MOST_BYTES) letters.pop();
  return letters.join("") + tail;
}

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

const UNITS = ["byte", "kilobyte", "megabyte"];
const FORMATS = UNITS.map((unit, i) => new Intl.NumberFormat(LOCALE, {
  style: "unit", unit, unitDisplay: i ? "short" : "long", maximumFractionDigits: i === 2 ? 1 : 0,
}));

// A number of bytes, in words.
export function sizeInWords(bytes) {
  const power = bytes < 1000 ? 0 : bytes < 1e6 ? 1 : 2;
  return FORMATS[power].format(bytes / 1000 ** power);
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

const ascii = (bytes, at, size) => String.fromCharCode(...bytes.subarray(at, at + size));

// The media type that the first bytes prove, of those that are shown or played; otherwise "".
function sniff(bytes) {
  if (ascii(bytes, 0, 8) === "\x89PNG\r\n\x1a\n" && ascii(bytes, 12, 4) === "IHDR") return "image/png";
  if (ascii(bytes, 0, 3) === "\xff\xd8\xff") return "image/jpeg";
  if (/^GIF8[79]a/.test(ascii(bytes, 0, 6))) return "image/gif";
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 4) === "WEBP") return "image/webp";
  if (ascii(bytes, 0, 4) === "OggS") return "audio/ogg";
  if (ascii(bytes, 0, 4) === "\x1aE\xdf\xa3") return "audio/webm";
  if (ascii(bytes, 4, 4) === "ftyp") return "audio/mp4";
  return ascii(bytes, 0, 3) === "ID3" || (bytes[0] === 0xff && bytes[1] >= 0xe0) ? "audio/mpeg" : "";
}

// [width, height] as each decoder reads them, before anything is decoded. Throws RangeError if the file is too short.
const SIZES = {
  "image/png": (view) => [view.getUint32(16), view.getUint32(20)],
  "image/jpeg": (view) => {
    for (let at = 2; view.getUint8(at) === 0xff;) {
      const marker = view.getUint8(at + 1);
      const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
      if (isFrame) return [view.getUint16(at + 7), view.getUint16(at + 5)];
      at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
    }
    return [0, 0];
  },
  "image/webp": (view, bytes) => {
    const form = ascii(bytes, 12, 4);
    const [three, bits] = [(at) => view.getUint16(at, true) + view.getUint8(at + 2) * 65536, view.getUint32(21, true)];
    if (form === "VP8X") return [three(24) + 1, three(27) + 1];
    if (form === "VP8L") return [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
    return form === "VP8 " ? [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff] : [0, 0];
  },
  "image/gif": (view) => { // browsers enlarge it to the first frame
    const [screen, flags] = [[view.getUint16(6, true), view.getUint16(8, true)], view.getUint8(10)];
    let at = 13 + (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
    for (; view.getUint8(at) === 0x21; at += 1) {
      for (at += 2; view.getUint8(at); at += view.getUint8(at) + 1);
    }
    const frame = [1, 3].map((i) => view.getUint16(at + i, true) + view.getUint16(at + i + 4, true));
    return screen.map((side, i) => Math.max(side, frame[i]));
  },
};

const refuse = (key) => { throw new Error(say(key)); };

// The same bytes as a Blob of the type that they have. Throws unless they are a picture of one of these types, and can
// be drawn here. `mostSide`: pixels.
export async function asPicture(blob, { types = PICTURES, mostSide = Infinity } = {}) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const type = sniff(bytes);
  let sides = [0];
  try {
    if (types.includes(type)) sides = SIZES[type](new DataView(bytes.buffer), bytes);
  } catch {} // it ends before that
  if (sides.includes(0)) refuse("file-no-picture");
  if (sides[0] * sides[1] > MOST_PIXELS || Math.max(...sides) > mostSide) refuse("file-too-many-pixels");
  return new Blob([bytes], { type });
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
