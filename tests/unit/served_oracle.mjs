// Asks the served.js that is served the same questions as ezdms/client/served.py. Input and output: one JSON list.

import { readFileSync } from "node:fs";

const S = await import(`data:text/javascript;base64,${readFileSync(process.argv[2], "base64")}`);
const answers = {
  merge: ([mine, theirs]) => S.mergeServed(mine, theirs),
  news: ([known, build]) => S.isNews(known, build),
  doubts: ([builds, now]) => S.doubts(builds, now),
};

const asked = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(asked.map(([what, given]) => answers[what](given))));
