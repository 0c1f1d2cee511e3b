// Asks words.js what a query is and what it finds: only the chapter about that, which needs nothing of the rest.
// Input and output: one JSON list.

import { readFileSync } from "node:fs";

const [, source] = readFileSync(process.argv[2], "utf8").split("// ---- What one searches for");
const S = await import(`data:text/javascript;base64,${Buffer.from(`//${source}`).toString("base64")}`);
const answers = {
  folded: ([text]) => S.folded(text),
  query: ([typed]) => {
    const query = S.readQuery(typed);
    return [query.words, query.senders, query.since, query.until === Infinity ? null : query.until, query.has,
      S.isEmpty(query)];
  },
  finds: ([typed, text, at, isOwn, names]) => {
    const row = { plain: S.folded(text), kinds: S.kindsIn(text), at, isOwn };
    return S.finds(S.readQuery(typed), row, names.map(S.folded));
  },
};

const asked = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(asked.map(([what, given]) => answers[what](given))));
