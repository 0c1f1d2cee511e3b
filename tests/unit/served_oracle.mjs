// Asks the remembered.js that is served the same questions as ezdms/client/served.py. Input and output: one JSON list.

import { readFileSync } from "node:fs";

const asModule = (text) => `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
const path = process.argv[2];
const crypto_js = asModule(readFileSync(path.replace("remembered.js", "crypto.js")));
const S = await import(asModule(readFileSync(path, "utf8").replace("./crypto.js", crypto_js)));
const answers = {
  merge: ([mine, theirs]) => S.mergeServed(mine, theirs),
  news: ([known, build]) => S.isNews(known, build),
  doubts: ([builds, now]) => S.doubts(builds, now),
};

const asked = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(asked.map(([what, given]) => answers[what](given))));
