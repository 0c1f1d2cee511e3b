// The client side of docs/protocol.md in the browser: only WebCrypto, no libraries. Twin of ezdms/crypto.py: same
// names, same order, same vectors. Bytes are Uint8Array; data to or from a server is base64url (b64u).

const subtle = globalThis.crypto?.subtle; // missing on plain http: boot.js says so
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// kind: "pin" (typo), "refused" (must not be shown), "unsupported" (needs a newer version), "alarm" (stop). `p` and
// `a` are the link and the acknowledgment of a verified message of an unknown kind, which keeps its place.
// `isForged`: the signature is not by the pinned key. `message`: what was expected, for those who look for a mistake;
// or a name, for which the page has words (parts/words.html, protocol-…), with `values` in them.
export class ProtocolError extends Error {
  constructor(kind, message, { p, a, isForged = false, ...values } = {}) {
    super(message);
    Object.assign(this, { kind, p, a, isForged, values });
  }
}
const refuse = (message, more) => { throw new ProtocolError("refused", message, more); };
const unsupported = (more) => { throw new ProtocolError("unsupported", "unsupported", more); };

// ---- 1  Conventions ----

const utf8 = (text) => encoder.encode(text);
const label = (name) => utf8(`ezdms/1 ${name}\0`);
const sha256 = async (bytes) => new Uint8Array(await subtle.digest("SHA-256", bytes));
const random = (size) => globalThis.crypto.getRandomValues(new Uint8Array(size));

function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  parts.reduce((at, part) => { whole.set(part, at); return at + part.length; }, 0);
  return whole;
}

export function b64uEncode(bytes) {
  let binary = "";
  for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// Only the canonical encoding: another encoding of the same bytes would be another valid envelope. Encodings differ
// only in the bits after the last byte.
export function b64uDecode(text, size) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text)) refuse("Expected base64url.");
  const rest = text.length % 4;
  if (rest === 1) refuse("Expected base64url of a possible length.");
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = binary.charCodeAt(i);
  if (rest && b64uEncode(bytes.slice(1 - rest)) !== text.slice(-rest)) {
    refuse("Expected base64url in its canonical form.");
  }
  if (size !== undefined && bytes.length !== size) refuse(`Expected ${size} bytes, got ${bytes.length}.`);
  return bytes;
}

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
export function crockford(bytes) {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.replace(/.{5}/g, (five) => ALPHABET[parseInt(five, 2)]);
}

export const newId = () => b64uEncode(random(16)); // of a message
export const hashText = async (ascii) => b64uEncode(await sha256(utf8(ascii)));
export const isInteger = (value, low, high = Number.MAX_SAFE_INTEGER) =>
  Number.isSafeInteger(value) && value >= low && value <= high;

function parseObject(bytes) {
  let value;
  try { value = JSON.parse(decoder.decode(bytes)); } catch { refuse("Expected well-formed JSON."); }
  if (value === null || typeof value !== "object" || Array.isArray(value)) refuse("Expected a JSON object.");
  return value;
}

// Parse a JSON object that every parser reads the same way, in canonical form. Parsers can differ on duplicate members,
// 5.0, 1e3, 2^53 + 1, or a lone surrogate. So names, numbers and depth are restricted, and encoding the parsed object
// again in its order must give the same text. (docs/protocol.md)
function parseCanonical(bytes) {
  const value = parseObject(bytes);
  checkPlain(value, 1);
  if (JSON.stringify(value) !== decoder.decode(bytes)) refuse("Expected JSON in its canonical form.");
  return value;
}

function checkPlain(value, depth) {
  if (typeof value === "string" && !value.isWellFormed()) refuse("Expected well-formed text.");
  if (typeof value === "number" && !Number.isSafeInteger(value)) refuse("Expected integers of at most 53 bits.");
  if (value === null || typeof value !== "object") return;
  if (depth > DEEPEST) refuse(`Expected JSON nested at most ${DEEPEST} deep.`);
  if (!Array.isArray(value) && !Object.keys(value).every((name) => /^[a-z_]{1,16}$/.test(name))) {
    refuse("Expected names of 1 to 16 lowercase letters and underscores.");
  }
  for (const inner of Object.values(value)) checkPlain(inner, depth + 1);
}

// ---- 2  Constants ----

export const LOGIN_ITER = 600000;
export const WRAP_ITER = 200000;
const WRAP_ITER_MAX = 2000000;
export const BUCKETS = [512, 1024, 2048, 4096, 8192, 16384, 32768]; // bytes
export const MAX_TEXT = 500; // code points
export const USERNAME = /^[a-zA-Z0-9_-]{3,32}$/;
const VAULT_STEP = 4096; // bytes
const VAULT_MOST = 1024 * 1024; // bytes
const MOST_SECONDS = 31536000; // a year: the longest lifetime of a disappearing message
export const LARGEST_FILE = 26214400; // bytes
export const LARGEST_THUMB = 4096; // bytes
const LARGEST_SIDE = 65536; // pixels of an image
const CHUNK = 65536; // bytes of a file that are sealed at once
const TAG = 16; // bytes after each sealed chunk
const AT_ONCE = 16; // chunks
const LARGEST_ROW = 2 ** 52; // a row's n from here on is a lie: no message could follow it
const TIME_OFF = 600000; // ms that clocks may differ
const LATEST_TIME = 253402300799999; // ms: the last moment of the year 9999
const DAY = 86400000; // ms
const SIGNAL_SIZE = 512; // bytes of a padded signal: all look alike
const LARGEST_MARK = 512; // characters
const DEEPEST = 8; // nested objects and arrays, including the outermost

// ---- 3  Login PIN ----

const inGroups = (text, size) => text.match(new RegExp(`.{${size}}`, "g")).join("-");
const fold = (typed) => {
  const pin = typed.replace(/[-\s]/g, "");
  return /^[\x21-\x7e]*$/.test(pin) ? pin.toUpperCase().replaceAll("O", "0").replace(/[IL]/g, "1") : pin;
};
const isInAlphabet = (pin) => [...pin].every((letter) => ALPHABET.includes(letter));
const mistype = (name, values) => { throw new ProtocolError("pin", name, values); };

export const newLoginPin = () => crockford(random(10));
export const showLoginPin = (pin) => inGroups(pin, 4);
export function normaliseLoginPin(typed) {
  const pin = fold(typed);
  if (pin.length === 25 && isInAlphabet(pin)) mistype("login-pin-is-search-pin");
  if (!pin) mistype("no-login-pin");
  if (pin.length !== 16) mistype("login-pin-length", { count: pin.length });
  if (!isInAlphabet(pin)) mistype("login-pin-letters");
  return pin;
}

// ---- 4  Logging in ----

async function pbkdf2(pin, salt, iterations) {
  const key = await subtle.importKey("raw", utf8(pin), "PBKDF2", false, ["deriveBits"]);
  return new Uint8Array(await subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations }, key, 256));
}

async function hkdf(root, name, size) {
  const key = await subtle.importKey("raw", root, "HKDF", false, ["deriveBits"]);
  const info = utf8(`ezdms/1 ${name}`);
  return new Uint8Array(await subtle.deriveBits(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info }, key, size * 8));
}

// What the server gets instead of the PIN. The iteration count is fixed: with fewer, a server could guess the PIN.
export async function loginKeys(pin, deploymentId) {
  const root = await pbkdf2(pin, concat(label("login"), b64uDecode(deploymentId, 16)), LOGIN_ITER);
  const [id, authKey] = [await hkdf(root, "login-id", 16), await hkdf(root, "auth-key", 32)];
  return { login_id: b64uEncode(id), auth_key: b64uEncode(authKey) };
}

// ---- 5  Keys ----

// Low-order points, top bit cleared: with one of these as identity key, forged signatures verify.
const SMALL_ORDER = new Set([
  "00".repeat(32), `01${"00".repeat(31)}`, ...["ec", "ed", "ee"].map((first) => `${first}${"ff".repeat(30)}7f`),
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function checkIdentityKey(ik) {
  if (ik.length !== 32) refuse(`Expected an identity key of 32 bytes, got ${ik.length}.`);
  const point = hex([...ik.subarray(0, 31), ik[31] & 0x7f]);
  if (SMALL_ORDER.has(point)) refuse("Signatures can be forged with this identity key.");
}

export function checkEncryptionKey(spki) {
  const text = hex(spki);
  if (spki.length !== 294 || spki[33] < 0x80 || !text.endsWith("0203010001")
    || !text.startsWith("30820122300d06092a864886f70d01010105000382010f003082010a0282010100")) {
    refuse("Expected an RSA encryption key of 2048 bits with exponent 65537.");
  }
}

// Cache what is derived from a key, instead of deriving it for each message. Keys are never changed in place.
function onceForEach(work) {
  const results = new WeakMap();
  return (key) => {
    if (!results.has(key)) results.set(key, work(key));
    return results.get(key);
  };
}

export const fingerprint = (ik) => sha256(concat(label("identity"), ik));
export const keyId = onceForEach(async (spki) => b64uEncode((await sha256(spki)).subarray(0, 16)));

const ED25519 = { name: "Ed25519" };
const RSA = { name: "RSA-OAEP", hash: "SHA-256" };
const publicSig = onceForEach(async (ik) => {
  checkIdentityKey(ik);
  return subtle.importKey("raw", ik, ED25519, false, ["verify"]);
});
const publicEnc = onceForEach(async (spki) => {
  checkEncryptionKey(spki);
  return subtle.importKey("spki", spki, RSA, false, ["encrypt"]);
});

// False in a browser that lacks the signatures of this protocol.
export const canSign = () => subtle.generateKey(ED25519, false, ["sign", "verify"])
  .then(() => true, ({ name }) => name !== "NotSupportedError");

// {ik, spki, fp, sig, enc}: the private keys are still extractable, so that wrapKeys can encrypt them.
export async function generateKeys() {
  const rsa = { ...RSA, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
  const make = (algorithm, uses) => subtle.generateKey(algorithm, true, uses)
    .catch(() => subtle.generateKey(algorithm, true, uses)); // WebKitGTK sometimes fails once
  const [sig, enc] = await Promise.all([make(ED25519, ["sign", "verify"]), make(rsa, ["encrypt", "decrypt"])]);
  const ik = new Uint8Array(await subtle.exportKey("raw", sig.publicKey));
  const spki = new Uint8Array(await subtle.exportKey("spki", enc.publicKey));
  checkIdentityKey(ik);
  checkEncryptionKey(spki);
  return { ik, spki, fp: await fingerprint(ik), sig: sig.privateKey, enc: enc.privateKey };
}

// ---- 6  Private keys at rest ----

const wrapData = async (use, publicKey) => concat(label(`key ${use}`), await sha256(publicKey));
async function wrappingKey(pin, salt, iterations, use) {
  const kek = await pbkdf2(pin, concat(label("wrap"), salt), iterations);
  return subtle.importKey("raw", kek, "AES-GCM", false, [use]);
}

export async function wrapKeys(pin, keys) {
  const salt = random(16);
  const kek = await wrappingKey(pin, salt, WRAP_ITER, "wrapKey");
  const wrap = async (key, use, publicKey) => {
    const iv = random(12);
    const gcm = { name: "AES-GCM", iv, additionalData: await wrapData(use, publicKey) };
    return b64uEncode(concat(iv, new Uint8Array(await subtle.wrapKey("pkcs8", key, kek, gcm))));
  };
  return {
    salt: b64uEncode(salt), iterations: WRAP_ITER,
    wrapped_sig: await wrap(keys.sig, "sig", keys.ik), wrapped_enc: await wrap(keys.enc, "enc", keys.spki),
  };
}

// The keys are non-extractable: from here on no script can read their bytes (except while a new PIN wraps them again).
// GCM proves that they belong to these public keys: the public key is in the data that was authenticated when the owner
// wrapped them.
export async function unwrapKeys(pin, stored, { ik, spki }, extractable = false) {
  const { salt, iterations, wrapped_sig, wrapped_enc } = stored;
  if (!isInteger(iterations, WRAP_ITER) || iterations > WRAP_ITER_MAX) refuse("Expected an allowed iteration count.");
  const kek = await wrappingKey(pin, b64uDecode(salt, 16), iterations, "unwrapKey");
  const unwrap = async (wrapped, use, publicKey, algorithm, uses) => {
    const bytes = b64uDecode(wrapped);
    const gcm = { name: "AES-GCM", iv: bytes.subarray(0, 12), additionalData: await wrapData(use, publicKey) };
    try {
      return await subtle.unwrapKey("pkcs8", bytes.subarray(12), kek, gcm, algorithm, extractable, uses);
    } catch { return refuse("keys-not-opened"); }
  };
  const sig = await unwrap(wrapped_sig, "sig", ik, ED25519, ["sign"]);
  const enc = await unwrap(wrapped_enc, "enc", spki, RSA, ["decrypt"]);
  return { ik, spki, fp: await fingerprint(ik), sig, enc };
}

// ---- 7  Key statement; 11  Signature ----

const header = (typ) => b64uEncode(utf8(`{"alg":"Ed25519","typ":"${typ}"}`));
const KEYS_HEADER = header("ezdms-keys+jws");
const MESSAGE_HEADER = header("ezdms-msg+jws");
const VAULT_HEADER = header("ezdms-vault+jws");

async function sign(key, head, bytes) {
  const signed = `${head}.${b64uEncode(bytes)}`;
  return `${signed}.${b64uEncode(new Uint8Array(await subtle.sign(ED25519, key, utf8(signed))))}`;
}

// Splits a signature from the signed bytes. The header is compared as a string, never parsed.
function splitJws(jws, head) {
  const parts = typeof jws === "string" ? jws.split(".") : [];
  if (parts.length !== 3 || parts[0] !== head) refuse("Expected a signature of a different kind.");
  return { bytes: b64uDecode(parts[1]), signed: utf8(`${head}.${parts[1]}`), signature: b64uDecode(parts[2], 64) };
}

async function verify(ik, { signed, signature }) {
  if (await subtle.verify(ED25519, await publicSig(ik), signature, signed)) return;
  refuse("The signature is invalid.", { isForged: true });
}

export const signStatement = (keys, name, seq, ts) => sign(keys.sig, KEYS_HEADER, utf8(JSON.stringify(
  { v: 1, ik: b64uEncode(keys.ik), seq, ts, name, suites: [1], ek: [{ s: 1, spki: b64uEncode(keys.spki) }] })));

// {ik, seq, ts, name, suites, spki, fp, jws}. Signed by the key inside; the caller must check whose key that is.
export async function verifyStatement(jws) {
  if (typeof jws !== "string" || jws.length > 8192) refuse("Expected a key statement.");
  const parts = splitJws(jws, KEYS_HEADER);
  const { v, ik: ikText, seq, ts, name, suites, ek } = parseObject(parts.bytes);
  if (v !== 1 || !isInteger(seq, 1) || !isInteger(ts, 0)) refuse("Expected a key statement of version 1.");
  if (typeof name !== "string" || !USERNAME.test(name)) refuse("Expected a username in the key statement.");
  if (!Array.isArray(suites) || !suites.includes(1) || !suites.every((suite) => isInteger(suite, 1))) {
    refuse("Expected a key statement that offers suite 1.");
  }
  if (!Array.isArray(ek)) refuse("Expected a list of encryption keys.");
  const keys = ek.filter((key) => key?.s === 1);
  if (keys.length !== 1) refuse("Expected one encryption key for suite 1.");
  const ik = b64uDecode(ikText, 32);
  const spki = b64uDecode(keys[0].spki);
  checkEncryptionKey(spki);
  await verify(ik, parts);
  return { ik, seq, ts, name, suites, spki, fp: await fingerprint(ik), jws };
}

// What is remembered about a contact's statement, to recognize the key and detect a rollback.
export const pinOf = async ({ ik, seq, suites, jws }) =>
  ({ ik: b64uEncode(ik), seq, hash: await hashText(jws), suite: Math.max(...suites) });

// A contact's statement may only move forward. Takes pins; throws "alarm".
export function checkSuccession(known, next) {
  const alarm = (name) => { throw new ProtocolError("alarm", name); };
  if (known.ik !== next.ik) alarm("other-key");
  if (next.seq < known.seq) alarm("older-statement");
  const isTwin = next.seq === known.seq && next.hash !== known.hash;
  if (isTwin) alarm("two-statements");
  if (next.suite < known.suite) alarm("weaker-keys");
}

// ---- 8  Search PIN ----

export const newSearchSalt = () => random(16);
const checkCharacter = async (digits) =>
  ALPHABET[(await sha256(concat(label("search-pin-check"), utf8(digits))))[0] & 31];

export async function searchPin(ik, salt) {
  const digits = crockford((await sha256(concat(label("search-pin"), salt, ik))).subarray(0, 15));
  return inGroups(digits + await checkCharacter(digits), 5);
}

export async function normaliseSearchPin(typed) {
  const pin = fold(typed);
  if (pin.length === 16 && isInAlphabet(pin)) {
    mistype("search-pin-is-login-pin");
  }
  if (!pin) mistype("no-search-pin");
  if (pin.length !== 25) mistype("search-pin-length", { count: pin.length });
  if (!isInAlphabet(pin)) mistype("search-pin-letters");
  if (await checkCharacter(pin.slice(0, 24)) !== pin[24]) {
    mistype("search-pin-typo");
  }
  return inGroups(pin, 5);
}

export const searchPinCommits = async (pin, ik, salt) => salt.length === 16 && await searchPin(ik, salt) === pin;

// ---- 9  Conversation ----

export function inOrder(fpX, fpY) {
  const i = fpX.findIndex((byte, at) => byte !== fpY[at]);
  return i < 0 || fpX[i] < fpY[i] ? [fpX, fpY] : [fpY, fpX];
}
export const conversationId = async (fpX, fpY) =>
  crockford((await sha256(concat(label("conversation"), ...inOrder(fpX, fpY)))).subarray(0, 15));

// ---- 10  Message body ----

export const countCodePoints = (text) => [...text].length;

// Normalize typed or pasted text: other line breaks (CR, CR LF, vertical tab, form feed) become newlines.
export const cleanText = (text) => text.replace(/\r\n|[\r\v\f]/g, "\n");

export function checkText(text) {
  if (typeof text !== "string" || !text.isWellFormed()) refuse("text-broken");
  if (text === "") refuse("text-empty");
  const count = countCodePoints(text);
  if (count > MAX_TEXT) refuse("text-too-long", { most: MAX_TEXT, count });
  if (/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(text)) refuse("text-control");
}

// Code points of emoji. Those that are invisible alone (digits, joiner, keycap, variation, tags) are not an emoji by
// themselves. The list is fixed, so that clients with different Unicode versions do not disagree.
const PARTS = String.raw`#*0-9\u200d\u20e3\ufe0f\u{e0020}-\u{e007f}`;
const SIGNS = String.raw`\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f`
  + String.raw`\u2b00-\u2bff\u3030\u303d\u3297\u3299\u{1f000}-\u{1faff}`;
const EMOJI = new RegExp(`^(?:(?![${PARTS}]+$)[${PARTS}${SIGNS}]{1,16}|[#*0-9]\\ufe0f?\\u20e3)$`, "u");
const TIMER = /^(?:0|[1-9][0-9]{0,7})$/;
const ID = /^[A-Za-z0-9_-]{22}$/;
const HASH = /^[A-Za-z0-9_-]{43}$/;
const DELETION = /^[A-Za-z0-9_-]{22} [A-Za-z0-9_-]{43}$/;
const FILE_NAME = /^[^\x00-\x1f\x7f-\x9f/\\]{1,128}$/u;
export const FILE_TYPE = /^(?:(?=.{1,100}$)[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+)?$/;

function pad(body, size) {
  const padded = new Uint8Array(size).fill(0x20);
  padded.set(body);
  return padded;
}

const unpad = (padded) => padded.subarray(0, padded.findLastIndex((byte) => byte !== 0x20) + 1);
const bucketOf = (body) => BUCKETS.find((size) => size >= body.length) ?? refuse("message-too-long");

// The content of a signed message: {c, f, t, id, n, p, a, ts, x, kind, text, reference, e}. `reference` is [id, hash]
// of the message it refers to, or null. `e` identifies the earlier changes of the same target ("" for none; null in
// kinds that change nothing). `kind` is null if a newer version is needed. Throws "unsupported" for another version if
// not even its place in the chain can be read.
export function readBody(padded) {
  const body = unpad(padded);
  if (padded.length !== bucketOf(body)) refuse("Expected a message of the smallest padded size.");
  const members = parseCanonical(body);
  const { v, c, f, t, id, n, p, a } = members;
  // The part that is the same in every version: sender, recipient, and place in the chain.
  if (![c, f, t, id].every((name) => typeof name === "string") || !isInteger(n, 1) || !isLink(n - 1, p)
    || !Array.isArray(a) || a.length !== 2 || !isInteger(a[0], 0) || !isLink(...a)) {
    if (v !== 1) unsupported();
    refuse("Expected a message body of version 1.");
  }
  const place = { c, f, t, id, n, p, a };
  return v === 1 ? readContent(place, members) : { ...place, kind: null };
}

const matches = (form, value) => typeof value === "string" && form.test(value);
const isLink = (n, digest) => (n ? matches(HASH, digest) : digest === ""); // "" stands for no message (n = 0)

// The content of a body of version 1, by its kind.
function readContent(place, { ts, x, k: kind, b: text, r, e }) {
  if (!isInteger(ts, 0, LATEST_TIME) || !isInteger(x, 0, MOST_SECONDS)) refuse("Expected a time and a lifetime.");
  if (typeof kind !== "string" || typeof text !== "string") refuse("Expected a kind and a content.");
  if (!KINDS.includes(kind)) return { ...place, kind: null };
  checkContent(kind, text, x);
  const refers = MUST_REFER.includes(kind) || (MAY_REFER.includes(kind) && r !== undefined);
  if (refers && (!Array.isArray(r) || r.length !== 2 || !matches(ID, r[0]) || !matches(HASH, r[1]))) {
    refuse("Expected the id and the hash of the message that this one refers to.");
  }
  const changes = CHANGES.includes(kind);
  if (changes && e !== "" && !matches(HASH, e)) refuse("Expected the earlier changes in the message body.");
  return { ...place, ts, x, kind, text, reference: refers ? r : null, e: changes ? e : null };
}

const KINDS = ["text", "edit", "delete", "react", "timer", "file"];
const MUST_REFER = ["edit", "react"];
const MAY_REFER = ["text", "file"];
export const CHANGES = ["edit", "delete"];

function checkContent(kind, text, x) {
  if (kind === "text" || kind === "edit") checkText(text);
  if (kind === "delete" && !DELETION.test(text)) refuse("Expected the id and the hash of the message to delete.");
  if (kind === "react" && text && !EMOJI.test(text)) refuse("Expected one emoji.");
  const isTime = TIMER.test(text) && (text === "0" || isInteger(Number(text), 5, MOST_SECONDS));
  if (kind === "timer" && (!isTime || x)) refuse("Expected 0 or 5 to 31536000 seconds.");
  if (kind === "file") readFile(text);
}

// Parse the description of a file: {id, key, size, hash, name, type, thumb, w, h} (and unknown members). Only its form
// is checked; do not trust the content.
export function readFile(text) {
  if (!text.isWellFormed()) refuse("Expected well-formed text.");
  const file = parseCanonical(utf8(text));
  b64uDecode(file.key, 32);
  const isDrawable = b64uDecode(file.thumb).length <= LARGEST_THUMB;
  const forms = { id: ID, hash: HASH, name: FILE_NAME, type: FILE_TYPE };
  const sizes = { size: LARGEST_FILE, w: LARGEST_SIDE, h: LARGEST_SIDE };
  if (!isDrawable || !Object.entries(forms).every(([name, form]) => matches(form, file[name]))
    || !Object.entries(sizes).every(([name, most]) => isInteger(file[name], 0, most))) {
    refuse("Expected the description of a file.");
  }
  return file;
}

// ---- 12  Envelope, suite 1 ----

const sealHeader = async (typ, spki) =>
  b64uEncode(utf8(`{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"${typ}","kid":"${await keyId(spki)}"}`));

// Encrypt as JWE compact (RFC 7516), with a fresh content key and iv for each reader.
async function seal(spki, typ, text) {
  const head = await sealHeader(typ, spki);
  const [contentKey, iv] = [random(32), random(12)];
  const key = await subtle.importKey("raw", contentKey, "AES-GCM", false, ["encrypt"]);
  const gcm = { name: "AES-GCM", iv, additionalData: utf8(head) };
  const sealed = new Uint8Array(await subtle.encrypt(gcm, key, utf8(text)));
  const wrapped = new Uint8Array(await subtle.encrypt(RSA, await publicEnc(spki), contentKey));
  return [head, ...[wrapped, iv, sealed.subarray(0, -16), sealed.subarray(-16)].map(b64uEncode)].join(".");
}

async function unseal(me, typ, jwe) {
  const parts = typeof jwe === "string" ? jwe.split(".") : [];
  const head = await sealHeader(typ, me.spki);
  if (parts.length !== 5 || parts[0] !== head) refuse("Expected an envelope for your own key.");
  const [wrapped, iv, text, tag] = [[1, 256], [2, 12], [3], [4, 16]].map(([i, size]) => b64uDecode(parts[i], size));
  try {
    const opened = new Uint8Array(await subtle.decrypt(RSA, me.enc, wrapped));
    if (opened.length > 32 || opened.length < 28) refuse("Expected a content key of 32 bytes.");
    // WebKitGTK drops leading zero bytes of RSA-OAEP plaintext: put them back. Four in a row occur once in 2^32 keys,
    // and a content key that really is shorter still fails at the tag.
    const contentKey = concat(new Uint8Array(32 - opened.length), opened);
    const key = await subtle.importKey("raw", contentKey, "AES-GCM", false, ["decrypt"]);
    const gcm = { name: "AES-GCM", iv, additionalData: utf8(head) };
    return decoder.decode(await subtle.decrypt(gcm, key, concat(text, tag)));
  } catch { return refuse("The envelope cannot be decrypted."); }
}

// Sign a message, and encrypt it for the peer {ik, spki, fp} and for oneself. `p`: hash of one's own previous message
// ("" for n = 1; see nextLink). `a`: [n, hash] of the peer's highest verified message with no row missing before it, or
// [0, ""]. `text`: the content by its kind. `x`: seconds. `reference` and `e`: as in readBody. `z`: 16 bytes that keep
// a short text from being guessed by its hash; random by default, left out if empty. Throws for anything a receiver
// would refuse.
export async function sealMessage(me, peer, fields) {
  const { n, p, a, ts, x = 0, kind = "text", text, reference = null, e = null } = fields;
  const { id = random(16), z = random(16) } = fields;
  if (id.length !== 16 || ![0, 16].includes(z.length)) refuse("Expected a message id and a z of 16 bytes.");
  if (kind === "text" || kind === "edit") checkText(text);
  const [lo] = inOrder(me.fp, peer.fp);
  const message_id = b64uEncode(id);
  const body = utf8(JSON.stringify({
    v: 1, c: await conversationId(me.fp, peer.fp), f: b64uEncode(me.fp), t: b64uEncode(peer.fp), id: message_id,
    n, p, a, ts, x, k: kind, b: text, r: reference ?? undefined, e: e ?? undefined, z: b64uEncode(z) || undefined,
  }));
  const padded = pad(body, bucketOf(body));
  if (readBody(padded).kind === null) refuse("Expected a kind of message that this version supports.");
  const jws = await sign(me.sig, MESSAGE_HEADER, padded);
  const copy = (person) => seal(person.spki, "ezdms-msg+jwe", jws);
  const [mine, theirs] = await Promise.all([copy(me), copy(peer)]);
  const [content_for_a, content_for_b] = lo === me.fp ? [mine, theirs] : [theirs, mine];
  return { message_id, n, hash: await hashText(jws), suite: 1, p, jws, content_for_a, content_for_b };
}

// ---- 13  Receiving ----

// Decrypt one's own copy, with all checks in the order of the protocol. `sender`: {ik, fp}, pinned, or one's own.
// Returns {id, n, p, a, ts, x, kind, text, reference, e}, as in readBody, and the signed `jws`.
export async function openMessage(me, sender, recipientFp, conversation, { message_id, n, hash, suite, encrypted }) {
  if (suite !== 1) unsupported();
  const jws = await unseal(me, "ezdms-msg+jwe", encrypted);
  const parts = splitJws(jws, MESSAGE_HEADER);
  await verify(sender.ik, parts);
  const { c, f, t, ...message } = readBody(parts.bytes);
  if (c !== conversation || f !== b64uEncode(sender.fp) || t !== b64uEncode(recipientFp)) {
    refuse("other-conversation");
  }
  if (message.id !== message_id || message.n !== n || await hashText(jws) !== hash) {
    refuse("The server's description of this message is wrong.");
  }
  return message.kind === null ? unsupported(message) : { ...message, jws };
}

// One sender's rows by n, and how far they were followed. Only signed messages change this state. `last`: [n, hash] of
// the highest verified message, which is remembered; nothing above it is missing. `head`: the highest verified message
// reached from the first without a gap. There are rows for all n from `head` to `reach`. `start`: the lowest n present
// when the first was verified, or of its whole page; a missing beginning is normal (paging, expiry), so lower ones are
// an older page, not late. `known`: the [n, hash] that was `last` in an earlier run, here or on another device. Of two
// contradicting messages the first stays, and people decide which is true; an unsigned row is replaced by a signed one.
export const newChain = (known = null) =>
  ({ known, rows: new Map(), start: 0, last: null, head: null, reach: 0, isKnownFound: false });

// Judge and remember the next row as it arrives: "ok", "duplicate", "gap", "late" or "fork". Call it for every row,
// whatever it contains. `p` is null or missing for a row without a verified message (emptied, unknown suite, refused).
// Such a row is present, so it is no gap, and the next message must link to its hash. Otherwise it changes nothing, and
// its verdict is null unless it is a duplicate or a fork. Rows with an invalid n are ignored, with null.
export function followChain(chain, { n, hash, p = null }) {
  const { rows, known } = chain;
  if (!isInteger(n, 1)) return null;
  const isVerified = p !== null;
  chain.isKnownFound ||= known?.[0] === n && known[1] === hash;
  const [there, before] = [rows.get(n), rows.get(n - 1)];
  if (there?.hash === hash && (there.isVerified || !isVerified)) return "duplicate";
  const isNew = !there || there.hash === hash;
  const isNext = !isVerified || !before || before.hash === p;
  if ((!isNew && (there.isVerified || !isVerified)) || contradicts(chain, n, hash, p)) return "fork";
  if (!isNext) forget(chain, n - 1);
  rows.set(n, { hash, p, isVerified });
  const verdict = isVerified ? placeIn(chain, n, hash) : null;
  advance(chain);
  return isNew && isNext ? verdict : "fork";
}

// True if the row before this verified message is missing, skipping rows without a message. It becomes false once the
// missing row arrives, unlike the verdict "gap", which is not updated.
export function hasGapBefore({ rows, start }, n) {
  let below = n - 1;
  while (below >= start && rows.get(below)?.isVerified === false) below -= 1;
  return below >= start && !rows.has(below);
}

// True if a verified message contradicts this row.
function contradicts({ rows, known }, n, hash, p) {
  const [before, behind] = [rows.get(n - 1), rows.get(n + 1)];
  if (p !== null && before?.isVerified && before.hash !== p) return true;
  if ((behind?.p ?? hash) !== hash) return true;
  return (known?.[0] === n && known[1] !== hash) || (known?.[0] === n - 1 && (p ?? known[1]) !== known[1]);
}

// Remove an unsigned row whose hash is not the one that the next message links to.
function forget(chain, n) {
  chain.rows.delete(n);
  if (chain.head?.[0] < n) chain.reach = Math.min(chain.reach, n - 1);
}

function placeIn(chain, n, hash) {
  if (!chain.last) {
    const start = [...chain.rows.keys()].reduce((lowest, other) => Math.min(lowest, other), chain.start || n);
    Object.assign(chain, { start, reach: n, head: [n, hash] });
  } else if (chain.head[0] < n && n <= chain.reach) {
    chain.head = [n, hash]; // nothing was verified there before
  }
  if (n < chain.last?.[0]) return n < chain.start ? "ok" : "late";
  chain.last = [n, hash];
  return hasGapBefore(chain, n) ? "gap" : "ok";
}

function advance(chain) {
  for (let next; chain.head && (next = chain.rows.get(chain.reach + 1));) {
    chain.reach += 1;
    if (next.isVerified) chain.head = [chain.reach, next.hash];
  }
}

// True if the known message was not among the followed rows: an alarm, once everything was loaded.
export const isTakenBack = ({ known, isKnownFound }) => known !== null && !isKnownFound;

// [n, p] of one's own next message. `known`: [n, hash] of one's own highest verified or sent message, or null. `rows`:
// [n, hash] of one's own rows on the server, in any state. The highest counts. Invalid numbers, and those from 2^52 on,
// are ignored; a lie below that only makes a gap or a fork.
export function nextLink(known, rows = []) {
  let [n, hash] = known ?? [0, ""];
  for (const [rowN, rowHash] of rows) {
    if (isInteger(rowN, n + 1, LARGEST_ROW - 1) && matches(HASH, rowHash)) [n, hash] = [rowN, rowHash];
  }
  return [n + 1, hash];
}

// Judge the order of both sides' rows {side, n, hash, a}, given by rising seq, by their acknowledgments. Null where `a`
// is null (nothing was verified). "fork": the acknowledged row of the other side has a different hash. "impossible": an
// acknowledged row comes after the message. Both are alarms. "crossed": a message of the other side comes before it,
// and had not been seen. Runs in linear time.
export function orderVerdicts(rows) {
  const names = [...new Set(rows.map(({ side }) => side))];
  const sides = Object.fromEntries(names.map((name) => [name, { hashes: new Map(), lowest: Infinity, highest: 0 }]));
  const nobody = { hashes: new Map(), lowest: Infinity, highest: 0 };
  const other = ({ side }) => sides[names[1 - names.indexOf(side)]] ?? nobody;
  const isFirst = rows.map(({ side, n, hash }) => { // a duplicate counts where it is shown first
    const { hashes } = sides[side];
    if (!hashes.has(n)) hashes.set(n, new Set());
    return !hashes.get(n).has(hash) && hashes.get(n).add(hash) && isInteger(n, 1);
  });
  const lowestAfter = rows.map(() => Infinity);
  for (let i = rows.length - 1; i >= 0; i -= 1) {
    lowestAfter[i] = other(rows[i]).lowest;
    if (isFirst[i]) sides[rows[i].side].lowest = Math.min(sides[rows[i].side].lowest, rows[i].n);
  }
  return rows.map((row, i) => {
    if (!row.a) return null;
    const [n, hash] = row.a;
    const { hashes, highest } = other(row);
    sides[row.side].highest = Math.max(sides[row.side].highest, row.n);
    if (hashes.has(n) && !hashes.get(n).has(hash)) return "fork";
    if (lowestAfter[i] <= n) return "impossible";
    return highest > n ? "crossed" : "ok";
  });
}

// True if the signed time and the server's (ms) differ by more than 10 minutes, so that both must be shown.
export const isTimeOff = (ts, createdAt) => Math.abs(ts - createdAt) > TIME_OFF;

// ---- 14  Safety number ----

export async function safetyNumber(fpX, fpY) {
  const digits = await Promise.all(inOrder(fpX, fpY).map(async (fp) => {
    const key = await subtle.importKey("raw", fp, "PBKDF2", false, ["deriveBits"]);
    const pbkdf = { name: "PBKDF2", hash: "SHA-512", salt: utf8("ezdms/1 safety"), iterations: 4096 };
    const d = new Uint8Array(await subtle.deriveBits(pbkdf, key, 256));
    const group = (at) => d.subarray(at, at + 5).reduce((sum, byte) => sum * 256 + byte, 0) % 100000;
    return [0, 5, 10, 15, 20, 25].map((at) => String(group(at)).padStart(5, "0"));
  }));
  return digits.flat().join(" ");
}
export const safetyQr = (fpX, fpY) => `ezdms1:${b64uEncode(concat(...inOrder(fpX, fpY)))}`;

// ---- 15  Vault ----

export async function sealVault(me, vault) {
  if (!isInteger(vault.version, 1)) refuse("Expected a vault with a version.");
  const body = utf8(JSON.stringify(vault));
  if (body.length > VAULT_MOST) refuse("vault-full");
  const padded = pad(body, Math.ceil(body.length / VAULT_STEP) * VAULT_STEP);
  return seal(me.spki, "ezdms-vault+jwe", await sign(me.sig, VAULT_HEADER, padded));
}

export async function openVault(me, sealed) {
  const parts = splitJws(await unseal(me, "ezdms-vault+jwe", sealed), VAULT_HEADER);
  await verify(me.ik, parts);
  if (parts.bytes.length % VAULT_STEP || parts.bytes.length > VAULT_MOST) refuse("Expected a vault of a padded size.");
  const vault = parseObject(parts.bytes);
  if (!isInteger(vault.version, 1)) refuse("Expected a vault with a version.");
  return vault;
}

// ---- 18  Changes ----

// `e` of an edit or deletion, from the hashes of its sender's earlier changes of the same message, by rising n.
export const changesHash = async (earlier) => (earlier.length ? hashText(earlier.join(".")) : "");

// ---- 19  Disappearing ----

// When (ms) a message disappears, `x` seconds after it was sent. Null for never. `createdAt` is the server's claim, so
// `ts`, which the sender signed, limits it to one day later.
export const expiresAt = (x, createdAt, ts) => (x ? Math.min(createdAt, ts + DAY) + x * 1000 : null);

// ---- 20  Files ----

// The size of a file when padded (Padmé): it tells at most the first few bits of the size.
export function paddedSize(size) {
  if (size < 2) return size;
  const exponent = 31 - Math.clz32(size);
  const rest = 2 ** (exponent - 32 + Math.clz32(exponent)) - 1;
  return (size + rest) & ~rest;
}

const chunksOf = (size) => Math.max(1, Math.ceil(paddedSize(size) / CHUNK));

// The size of a file once sealed: padded, and a tag for each chunk. An empty file has one chunk.
export const sealedSize = (size) => paddedSize(size) + chunksOf(size) * TAG;

// The key (32 bytes, b64u) and the iv of chunk `i` of a file.
const importFileKey = (key, use) => subtle.importKey("raw", b64uDecode(key, 32), "AES-GCM", false, [use]);
function chunkGcm(i, size) {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setUint32(7, i);
  iv[11] = i + 1 === chunksOf(size) ? 1 : 0;
  return { name: "AES-GCM", iv };
}

// The numbers of a file's chunks, several at a time: sealing and opening is done in parallel.
function* batches(size) {
  const all = Array.from({ length: chunksOf(size) }, (_, i) => i);
  for (let first = 0; first < all.length; first += AT_ONCE) yield all.slice(first, first + AT_ONCE);
}

// Yields the sealed chunks of a file of `size` bytes; `read(start, end)` resolves to a part of it. The key must be new,
// and never seal anything else: whoever continues an upload sends the sealed bytes that were kept.
export async function* sealFile(key, size, read) {
  if (!isInteger(size, 0, LARGEST_FILE)) refuse(`Expected a file of at most ${LARGEST_FILE} bytes, got ${size}.`);
  const gcm = await importFileKey(key, "encrypt");
  for (const batch of batches(size)) {
    const [start, end] = [batch[0] * CHUNK, (batch.at(-1) + 1) * CHUNK].map((at) => Math.min(at, size));
    const plain = await read(start, end);
    if (plain.length !== end - start) refuse("file-changed");
    yield* await Promise.all(batch.map(async (i) => {
      const padded = new Uint8Array(Math.min(CHUNK, paddedSize(size) - i * CHUNK));
      padded.set(plain.subarray(i * CHUNK - start, (i + 1) * CHUNK - start));
      return new Uint8Array(await subtle.encrypt(chunkGcm(i, size), gcm, padded));
    }));
  }
}

export const newFileKey = () => b64uEncode(random(32));
export const fileHash = async (sealed) => b64uEncode(await sha256(sealed));

// The content of a message of kind "file". `id` is from the server. Throws for what readFile refuses.
export function describeFile({ id, key, size, hash, name, type = "", thumb = "", w = 0, h = 0 }) {
  const text = JSON.stringify({ id, key, size, hash, name, type, thumb, w, h });
  readFile(text);
  return text;
}

// Yields a file that a message describes ({key, size, hash}), from its sealed bytes. Throws if they are not exactly
// that file; what was yielded must not be used before the end.
export async function* openFile({ key, size, hash }, sealed) {
  if (sealed.length !== sealedSize(size)) refuse("file-incomplete");
  if (b64uEncode(await sha256(sealed)) !== hash) refuse("file-other");
  const gcm = await importFileKey(key, "decrypt");
  for (const batch of batches(size)) {
    const opened = batch.map((i) =>
      subtle.decrypt(chunkGcm(i, size), gcm, sealed.subarray(i * (CHUNK + TAG), (i + 1) * (CHUNK + TAG))));
    const chunks = await Promise.all(opened).catch(() => refuse("file-damaged"));
    for (const [at, padded] of chunks.entries()) {
      const whole = Math.min(Math.max(size - batch[at] * CHUNK, 0), padded.byteLength);
      if (new Uint8Array(padded, whole).some(Boolean)) refuse("This file has something in its padding.");
      yield new Uint8Array(padded, 0, whole);
    }
  }
}

// ---- 21  Signals ----

const SIGNAL_HEADER = header("ezdms-signal+jws");
const SIGNALS = ["typing", "delivered", "read"];

// {c, f, t} and {kind, m, ts} of a signal. `m` is [n, hash] of the reader's own message that was delivered or read;
// typing has [0, ""]. Unknown members are ignored, as in a message.
function readSignal(padded) {
  if (padded.length !== SIGNAL_SIZE) refuse("Expected a signal of the padded size.");
  const { v, c, f, t, k: kind, m, ts } = parseCanonical(unpad(padded));
  if (v !== 1 || !SIGNALS.includes(kind) || !isInteger(ts, 0, LATEST_TIME)) {
    refuse("Expected a signal of version 1 with a kind and a time.");
  }
  if (!Array.isArray(m) || m.length !== 2 || !isInteger(m[0], 0) || !isLink(...m)) {
    refuse("Expected the number and the hash of a message in the signal.");
  }
  if ((kind === "typing") !== (m[0] === 0)) refuse("Expected a signal about a message, or about typing.");
  return { c, f, t, signal: { kind, m, ts } };
}

// Sign a signal, and encrypt it for the peer alone. Throws for anything that a receiver would refuse.
export async function sealSignal(me, peer, { kind, m, ts }) {
  const c = await conversationId(me.fp, peer.fp);
  const members = { v: 1, c, f: b64uEncode(me.fp), t: b64uEncode(peer.fp), k: kind, m, ts };
  const body = utf8(JSON.stringify(members));
  if (body.length > SIGNAL_SIZE) refuse("Expected a signal of the padded size.");
  const padded = pad(body, SIGNAL_SIZE);
  readSignal(padded);
  return seal(peer.spki, "ezdms-signal+jwe", await sign(me.sig, SIGNAL_HEADER, padded));
}

// Decrypt and verify a signal of the contact `sender` {ik, fp}, pinned: {kind, m, ts}. Throws; show nothing then.
// `slot` is what the server calls it: "delivered", "read", or "" for typing, which it must not store. The caller must
// compare `m` and `ts` with what it knows (isTypingNow, isReceipt).
export async function openSignal(me, sender, sealed, slot) {
  const parts = splitJws(await unseal(me, "ezdms-signal+jwe", sealed), SIGNAL_HEADER);
  await verify(sender.ik, parts);
  const { c, f, t, signal } = readSignal(parts.bytes);
  const conversation = await conversationId(me.fp, sender.fp);
  if (c !== conversation || f !== b64uEncode(sender.fp) || t !== b64uEncode(me.fp)) {
    refuse("This signal belongs to another conversation.");
  }
  if (slot !== (signal.kind === "typing" ? "" : signal.kind)) {
    refuse("The server's description of this signal is wrong.");
  }
  return signal;
}

// True for a new signal that the sender is typing. `lastTs`: that of the last one taken from them, or 0.
export const isTypingNow = ({ kind, ts }, lastTs, now) =>
  kind === "typing" && ts > lastTs && Math.abs(now - ts) <= TIME_OFF;

// True for a receipt that says something true. `told`: the highest n that this kind said before, or 0. `ownHash`: the
// hash of one's own message with that number, or null if there is none.
export const isReceipt = ({ kind, m: [n, hash] }, told, ownHash) => kind !== "typing" && n >= told && hash === ownHash;

// ---- 22  Marks ----

const MARK_HEADER = header("ezdms-hide+jws");

// Sign that the user removed a message from their own sight alone. Throws for a malformed id or hash.
export async function signMark(me, conversation, id, hash) {
  if (!matches(ID, id) || !matches(HASH, hash)) refuse("Expected the id and the hash of a message.");
  const members = { v: 1, c: conversation, f: b64uEncode(me.fp), id, hash };
  return sign(me.sig, MARK_HEADER, utf8(JSON.stringify(members)));
}

// Check that this is one's own mark for this row. Throws if it is not.
export async function verifyMark(jws, me, conversation, id, hash) {
  if (typeof jws !== "string" || jws.length > LARGEST_MARK) refuse("Expected a signed mark.");
  const parts = splitJws(jws, MARK_HEADER);
  const members = parseCanonical(parts.bytes);
  const expected = { v: 1, c: conversation, f: b64uEncode(me.fp), id, hash };
  const names = Object.keys(expected);
  if (Object.keys(members).length !== names.length || names.some((name) => members[name] !== expected[name])) {
    refuse("Expected your own mark for this message.");
  }
  await verify(me.ik, parts);
}

// ---- 23  Acts ----

const ACT_HEADER = header("ezdms-act+jws");
const PIN_FIELDS = [
  "new_login_id", "new_auth_key", "new_salt", "new_iterations", "new_wrapped_sig", "new_wrapped_enc",
];

// `for` of the act that changes a Login PIN: the hash of everything in the request.
export const changePinPurpose = (fields) => hashText(PIN_FIELDS.map((name) => fields[name]).join("."));

// Sign an act, which proves that the user wants to delete the account ("delete_account", purpose ""), change the PIN
// ("change_pin", changePinPurpose of the request) or replace the Search PIN ("search_pin", the new salt, b64u). `ts` is
// the client's clock (ms), never the server's.
export async function signAct(keys, deploymentId, act, purpose, ts) {
  b64uDecode(deploymentId, 16);
  return sign(keys.sig, ACT_HEADER, utf8(JSON.stringify({ v: 1, d: deploymentId, act, for: purpose, ts })));
}

// ---- 25  Passkeys ----

// What a passkey's PRF is asked for. Its output never leaves this browser.
export const prfInput = async (deploymentId) =>
  sha256(concat(label("passkey-prf"), b64uDecode(deploymentId, 16)));

async function passkeyGcm(output, credentialId, ik, iv) {
  if (output.length !== 32) refuse(`Expected a PRF output of 32 bytes, got ${output.length}.`);
  const raw = await hkdf(output, "passkey", 32);
  const key = await subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
  const additionalData = concat(label("passkey"), credentialId, await sha256(ik));
  return [{ name: "AES-GCM", iv, additionalData }, key];
}

// The Login PIN, encrypted under the PRF output (32 bytes) of this passkey: 44 bytes, b64u.
export async function wrapPin(output, pin, credentialId, ik) {
  const iv = random(12);
  const gcm = await passkeyGcm(output, credentialId, ik, iv);
  return b64uEncode(concat(iv, new Uint8Array(await subtle.encrypt(...gcm, utf8(normaliseLoginPin(pin))))));
}

export async function unwrapPin(output, wrapped, credentialId, ik) {
  const bytes = b64uDecode(wrapped, 44);
  const gcm = await passkeyGcm(output, credentialId, ik, bytes.subarray(0, 12));
  try {
    return normaliseLoginPin(new TextDecoder().decode(await subtle.decrypt(...gcm, bytes.subarray(12))));
  } catch { return refuse("passkey-of-another"); }
}
