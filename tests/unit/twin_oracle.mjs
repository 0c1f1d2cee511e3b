// Asks the crypto.js that is served the same questions as ezdms/crypto.py. Input and output: one JSON list.

import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";

globalThis.crypto ??= webcrypto; // node 18
String.prototype.isWellFormed ??= function isWellFormed() { return !/\p{Surrogate}/u.test(this); }; // node 18
const [, , path] = process.argv;
const asModule = (text) => `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
const crypto_js = asModule(readFileSync(path));
const C = await import(crypto_js);
const sourceOf = (name) => readFileSync(path.replace("crypto.js", name), "utf8").replace("./crypto.js", crypto_js);
const changes_js = asModule(sourceOf("changes.js"));
const changes = await import(changes_js);
const remembered = await import(asModule(sourceOf("remembered.js")));
const { Judge } = await import(asModule(sourceOf("judge.js").replace("./changes.js", changes_js)));

const bytes = (text) => C.b64uDecode(text);
async function personOf({ ik, spki, pkcs8 }) {
  const oaep = { name: "RSA-OAEP", hash: "SHA-256" };
  const enc = await crypto.subtle.importKey("pkcs8", bytes(pkcs8), oaep, false, ["decrypt"]);
  return { ik: bytes(ik), spki: bytes(spki), fp: await C.fingerprint(bytes(ik)), enc };
}

// The result, or the kind of refusal.
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof C.ProtocolError) return error.kind;
    throw error;
  }
}

const answers = {
  body: (base64) => attempt(() => {
    const { c, f, t, id, n, p, a, ts, x, kind, text, reference, e } = C.readBody(new Uint8Array(Buffer.from(base64, "base64")));
    return kind === null ? { c, f, t, id, n, p, a } : { c, f, t, id, n, p, a, ts, x, kind, text, reference, e };
  }),
  signal: async ({ reader, sender, sealed, slot }) => {
    const [me, peer] = [await personOf(reader), await personOf(sender)];
    return attempt(() => C.openSignal(me, peer, sealed, slot));
  },
  counts: ({ told, own, last, now, ...signal }) => [C.isTypingNow(signal, last, now), C.isReceipt(signal, told, own)],
  mark: async ({ reader, mark, conversation, id, hash }) => {
    const me = await personOf(reader);
    return attempt(async () => { await C.verifyMark(mark, me, conversation, id, hash); return ""; });
  },
  chain({ known, rows }) {
    const chain = C.newChain(known);
    const judge = (row) => [C.followChain(chain, row), chain.head, chain.last, C.isTakenBack(chain)];
    return [rows.map(judge), rows.map(({ n }) => C.hasGapBefore(chain, n))];
  },
  shown: ([rows, more]) => changes.shown(rows, more),
  next_e: ([rows, side, target]) => changes.nextE(rows, side, target),
  timer: ([rows, isAccepted]) => changes.timerInForce(rows, isAccepted),
  reason: ([gone, known]) => changes.provenReason(gone, known),
  refusal: ([kind, target, known]) => changes.refusal(kind, target, known),
  expires: (given) => C.expiresAt(...given),
  stale: (given) => changes.isStale(...given),
  described: ([message, claimed]) => changes.isDescribed(message, claimed),
  remembered: ([name, given]) => remembered[name](...given),
  file_sizes: (size) => [C.paddedSize(size), C.sealedSize(size)],
  order: (rows) => C.orderVerdicts(rows),
  next: ({ known, rows }) => C.nextLink(known, rows),
  clean: (text) => C.cleanText(text),
  async show({ reader, sender, row }) {
    const [me, partner] = [await personOf(reader), await personOf(sender)];
    const conversation = await C.conversationId(me.fp, partner.fp);
    const [known, raise, forget] = [{ own: null, theirs: null }, () => {}, () => {}];
    const judge = new Judge({ me, partner, conversation, known, raise, forget });
    const element = { isOwn: false, n: Number(row.n), dataset: row };
    const { fact, failure } = judge.judge(element, await judge.open(element));
    return [fact.kind, fact.text, failure || (fact.isEmpty ? "gone" : ""), judge.seen.theirs];
  },
};

const asked = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await Promise.all(asked.map(([what, given]) => answers[what](given)))));
