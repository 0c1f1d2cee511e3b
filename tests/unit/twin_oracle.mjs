// Asks the crypto.js that is served the same questions as ezdms/crypto.py. Input and output: one JSON list.

import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";

globalThis.crypto ??= webcrypto; // node 18
String.prototype.isWellFormed ??= function isWellFormed() { return !/\p{Surrogate}/u.test(this); }; // node 18
const [, , path] = process.argv;
const asModule = (text) => `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
const crypto_js = asModule(readFileSync(path));
const C = await import(crypto_js);
const judge_js = readFileSync(path.replace("crypto.js", "judge.js"), "utf8").replace("./crypto.js", crypto_js);
const { Judge } = await import(asModule(judge_js));

const answers = {
  body(base64) {
    try {
      const { c, f, t, id, n, p, a, ts, x, kind, text, reference, e } = C.readBody(new Uint8Array(Buffer.from(base64, "base64")));
      return kind === null ? { c, f, t, id, n, p, a } : { c, f, t, id, n, p, a, ts, x, kind, text, reference, e };
    } catch (error) {
      if (error instanceof C.ProtocolError) return error.kind;
      throw error;
    }
  },
  chain({ known, rows }) {
    const chain = C.newChain(known);
    const judge = (row) => [C.followChain(chain, row), chain.head, chain.last, C.isTakenBack(chain)];
    return [rows.map(judge), rows.map(({ n }) => C.hasGapBefore(chain, n))];
  },
  order: (rows) => C.orderVerdicts(rows),
  next: ({ known, rows }) => C.nextLink(known, rows),
  clean: (text) => C.cleanText(text),
  async show({ reader, sender, row }) {
    const [ik, spki, their_ik] = [reader.ik, reader.spki, sender.ik].map((text) => C.b64uDecode(text));
    const oaep = { name: "RSA-OAEP", hash: "SHA-256" };
    const enc = await crypto.subtle.importKey("pkcs8", C.b64uDecode(reader.pkcs8), oaep, false, ["decrypt"]);
    const me = { ik, spki, enc, fp: await C.fingerprint(ik) };
    const partner = { ik: their_ik, fp: await C.fingerprint(their_ik) };
    const conversation = await C.conversationId(me.fp, partner.fp);
    const [known, raise, forget] = [{ own: null, theirs: null }, () => {}, () => {}];
    const judge = new Judge({ me, partner, conversation, known, raise, forget });
    const element = { isOwn: false, n: Number(row.n), dataset: row };
    const { message, failure, isGone } = judge.judge(element, await judge.open(element));
    return [message?.text ?? null, isGone ? "gone" : failure ?? "", judge.seen.theirs];
  },
};

const asked = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await Promise.all(asked.map(([what, given]) => answers[what](given)))));
