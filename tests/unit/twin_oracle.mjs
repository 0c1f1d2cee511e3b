// Asks the crypto.js that is served the same questions as ezdms/crypto.py. Input and output: one JSON list.

import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";

globalThis.crypto ??= webcrypto; // node 18
String.prototype.isWellFormed ??= function isWellFormed() { return !/\p{Surrogate}/u.test(this); }; // node 18
const [, , path] = process.argv;
const C = await import(`data:text/javascript;base64,${readFileSync(path, "base64")}`);

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
};

const asked = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(asked.map(([what, given]) => answers[what](given))));
