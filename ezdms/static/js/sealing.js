// Seals an unsent message: finds what it must carry, and what the server must be told beside it. Also tells the server
// what is no message, and signs marks; and makes of a chosen file what is sealed. No picture is decoded before its
// sides are known.

import { isStale, nextE, refusal, targetOf } from "./changes.js";
import * as crypto from "./crypto.js";
import { getJson, isNumber, isPassing, postForm, ServerError } from "./server.js";
import { account } from "./session.js";
import { say } from "./words.js";

export const MOST_PIXELS = 50e6; // that are decoded
const SMALLER = 2560; // pixels of the longer side
const QUALITY = 0.85;
const [WIDTH, HEIGHT, BARS] = [160, 32, 40]; // of a waveform
const THUMBS = [[160, 0.6], [128, 0.5], [96, 0.4], [64, 0.3], [32, 0.2]]; // sides and qualities

const refuse = (sentence) => { throw new ServerError(422, null, sentence); };

// The row that a change is about, with everything loaded from it on. Throws if the message is gone.
async function find(thread, kind, target) {
  await thread.loadUntil(() => thread.rowAbout(target));
  const row = thread.rowAbout(target);
  const { isOwn, shown, at } = row ?? refuse(say("unsent-no-target"));
  const now = kind === "edit" ? at : Date.now(); // it was typed within the 24 hours
  const why = refusal(kind, shown, { isOwn, createdAt: at, now });
  return why ? refuse(say(`refused-${why}`)) : row;
}

// Its lifetime (s). An edited text was emptied: its edit has the same.
function lifetimeOf({ fact, shown }, facts) {
  return fact.kind ? fact.x : facts.find(({ side, id }) => side === fact.side && id === shown.by).x;
}

// The fields that the body of this message must have beside its content.
async function bodyOf(thread, { kind, text, reference }) {
  const target = targetOf({ kind, text, reference });
  if (kind === "timer") return { x: 0, e: null };
  if (!target) {
    await thread.loadUntil(() => thread.knowsTimer).catch(() => {}); // offline, what is known counts
    return { x: thread.timer, e: null };
  }
  const row = await find(thread, kind, target);
  const e = crypto.CHANGES.includes(kind) ? await nextE(thread.facts, row.fact.side, target) : null;
  return { x: kind === "delete" ? 0 : lifetimeOf(row, thread.facts), e };
}

// Seal an item of the outbox (outbox.js) as the user's next message: sets its `sealed`, `x` and, if it is too old for a
// message that disappears, `ts`. It was never tried, or refused. Throws.
export async function seal(thread, item) {
  const { me, partner } = await thread.ready;
  const { kind, text, reference } = item;
  const { x, e } = await bodyOf(thread, { kind, text, reference });
  if (isStale(x, item.ts, Date.now())) item.ts = Date.now();
  const { next: [n, p], acknowledged: a } = thread.judge;
  const place = { n, p, a, ts: item.ts, id: crypto.b64uDecode(item.message_id, 16) };
  const sealed = await crypto.sealMessage(me, partner, { ...place, x, kind, text, reference, e });
  const { hash, suite, content_for_a, content_for_b } = sealed;
  const replaces = e === null ? {} : { replaces: targetOf({ kind, text, reference })[0] };
  item.x = x;
  item.sealed = { n, hash, suite, content_for_a, content_for_b, ...(x ? { expires_in: x } : {}), ...replaces };
  if (kind === "file") item.sealed.file = crypto.readFile(text).id; // it goes when its message goes
}

// Have the server empty the user's own copy of a message, and keep their mark in its place.
async function sendMark({ conversation, reference: [message_id, hash] }, contact) {
  contact.hide(message_id).catch(() => {}); // a reload may have come before that was remembered
  const mark = await crypto.signMark(await account, conversation, message_id, hash);
  await postForm("/hide_message", { conversation_id: conversation, message_id, mark });
}

// Tell the server what is no message (outbox.js). True if it did that, or refused, which `tell` is told: on the user's
// devices it holds all the same.
export async function tellServer(item, contact, tell) {
  const { conversation, kind } = item;
  const tellings = {
    hide: () => sendMark(item, contact),
    accept: () => postForm(`/conversations/${conversation}/accept`),
    block: () => postForm(`/conversations/${conversation}/block`),
  };
  return tellings[kind]().then(() => true, (error) => {
    if (isPassing(error)) return false;
    tell(kind === "hide" ? say("unsent-copy-kept") : say("decision-refused"));
    return true;
  });
}

// ---- Files ----

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

// The characters of these bytes.
export const ascii = (bytes, at, size) => String.fromCharCode(...bytes.subarray(at, at + size));

const STARTS = { // what is shown, played, or sent without its metadata
  "image/png": /^\x89PNG\r\n\x1a\n.{4}IHDR/s,
  "image/jpeg": /^\xff\xd8\xff/,
  "image/gif": /^GIF8[79]a/,
  "image/webp": /^RIFF.{4}WEBP/s,
  "audio/ogg": /^OggS/,
  "audio/webm": /^\x1aE\xdf\xa3/,
  "audio/mp4": /^.{4}ftyp/s,
  "audio/mpeg": /^(ID3|\xff[\xe0-\xff])/,
};
export const LONGEST_START = 16; // bytes
// The media type that the first bytes prove, of these; otherwise "".
export function sniff(bytes) {
  const start = ascii(bytes, 0, LONGEST_START);
  return Object.keys(STARTS).find((type) => STARTS[type].test(start)) ?? "";
}

export const viewOf = ({ buffer, byteOffset, length }) => new DataView(buffer, byteOffset, length);

// The orientation that EXIF tells: 1 to 8; 1 is upright.
export function orientationOf(exif) {
  const tiff = ascii(exif, 0, 6) === "Exif\0\0" ? exif.subarray(6) : exif;
  const [view, isLittle] = [viewOf(tiff), tiff[0] === 0x49];
  try {
    const start = view.getUint32(4, isLittle);
    for (let i = 0; i < view.getUint16(start, isLittle); i += 1) {
      const at = start + 2 + 12 * i;
      const value = view.getUint16(at + 8, isLittle);
      if (view.getUint16(at, isLittle) === 0x112) return value <= 8 ? value : 1;
    }
  } catch {} // it ends before that
  return 1;
}

// [width, height] as each decoder reads them, before anything is decoded. Throws RangeError if the file is too short.
export const SIDES = {
  "image/png": (view) => [view.getUint32(16), view.getUint32(20)],
  "image/jpeg": (view) => {
    for (let at = 2; view.getUint8(at) === 0xff;) {
      const marker = view.getUint8(at + 1);
      const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
      if (isFrame) return [view.getUint16(at + 7), view.getUint16(at + 5)];
      if (marker <= 1 || (marker >= 0xd0 && marker <= 0xd9)) break; // decoders read no length after these
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

let asked;
// What the server takes (bytes). Throws if that is nothing.
export async function largestFile() {
  asked ??= getJson("/deployment", { max_file: isNumber });
  const { max_file: most } = await asked.catch(() => {
    asked = null;
    return { max_file: crypto.LARGEST_FILE }; // it will say so
  });
  if (!most) throw new Error(say("file-none"));
  return Math.min(most, crypto.LARGEST_FILE);
}

async function draw(bitmap, longest, type, quality) {
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(...[bitmap.width, bitmap.height].map((side) => Math.ceil(side * scale)));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return { w: canvas.width, h: canvas.height, blob: await canvas.convertToBlob({ type, quality }) };
}

// What is shown before the picture has loaded: "" if even the smallest has too many bytes.
async function thumbOf(bitmap) {
  for (const [side, quality] of THUMBS) {
    let { blob } = await draw(bitmap, side, "image/webp", quality);
    if (blob.type !== "image/webp") ({ blob } = await draw(bitmap, side, "image/jpeg", quality)); // Safari
    if (blob.size <= crypto.LARGEST_THUMB) return crypto.b64uEncode(new Uint8Array(await blob.arrayBuffer()));
  }
  return "";
}

// The waveform of a voice message, which is its thumbnail: white on black. `levels`: from 0 to 1.
export async function waveOf(levels) {
  const canvas = new OffscreenCanvas(WIDTH, HEIGHT);
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = "#fff";
  const top = Math.max(...levels, 0.05);
  for (let i = 0; i < BARS; i += 1) {
    const [start, end] = [i, i + 1].map((each) => Math.floor((each * levels.length) / BARS));
    const height = Math.max(2, (HEIGHT * Math.max(...levels.slice(start, Math.max(end, start + 1)), 0)) / top);
    context.fillRect((i * WIDTH) / BARS, (HEIGHT - height) / 2, 2.5, height);
  }
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.6 });
  return crypto.b64uEncode(new Uint8Array(await blob.arrayBuffer()));
}

const isDrawable = (picture) => picture && picture.sides[0] * picture.sides[1] <= MOST_PIXELS;
export const isLarge = ({ picture }) =>
  isDrawable(picture) && !picture.isAnimated && Math.max(...picture.sides) > SMALLER;

// What is sealed: {blob, shown}. A picture that cannot be decoded is a file like any other.
export async function prepareFile({ file, name, picture }, isSmaller) {
  const type = !file.type.startsWith("image/") && crypto.FILE_TYPE.test(file.type) ? file.type : "";
  const plain = { blob: picture?.blob ?? file, shown: { name, type, thumb: "", w: 0, h: 0 } };
  const bitmap = isDrawable(picture) && await createImageBitmap(picture.blob).catch(() => null);
  if (!bitmap) return plain;
  try {
    const whole = { w: bitmap.width, h: bitmap.height, blob: picture.blob };
    const small = isSmaller && await draw(bitmap, SMALLER, picture.type, QUALITY);
    const isBetter = small && small.blob.type === picture.type && small.blob.size < whole.blob.size;
    const { blob, w, h } = isBetter ? small : whole;
    return { blob, shown: { name, type: picture.type, thumb: await thumbOf(bitmap), w, h } };
  } finally {
    bitmap.close();
  }
}
