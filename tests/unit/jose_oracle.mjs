// Opens our envelopes and verifies our signatures with npm's jose. Input: JSON lines on stdin; output: JSON lines.

import { webcrypto } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { createInterface } from "node:readline";

globalThis.crypto ??= webcrypto; // node 18
const require = createRequire(`${process.env.NODE_PACKAGES}/`);
const jose = await import(pathToFileURL(require.resolve("jose")));

for await (const line of createInterface({ input: process.stdin })) {
  const { jwe, spki, pkcs8, ik, text } = JSON.parse(line);
  const publicKey = await jose.importJWK({ kty: "OKP", crv: "Ed25519", x: ik }, "Ed25519");
  if (jwe) {
    const privateKey = await jose.importPKCS8(pkcs8, "RSA-OAEP-256");
    const { plaintext } = await jose.compactDecrypt(jwe, privateKey);
    const { payload } = await jose.compactVerify(new TextDecoder().decode(plaintext), publicKey, { algorithms: ["Ed25519"] });
    console.log(JSON.stringify({ body: new TextDecoder().decode(payload) }));
  } else {
    const key = await jose.importSPKI(spki, "RSA-OAEP-256");
    const header = JSON.parse(text.header);
    const sealed = await new jose.CompactEncrypt(new TextEncoder().encode(text.jws)).setProtectedHeader(header).encrypt(key);
    console.log(JSON.stringify({ jwe: sealed }));
  }
}
