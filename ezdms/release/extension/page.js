// The extension's own pages: show which release is pinned, and what to do about a page that is not that release.

const at = (id) => document.getElementById(id);
const write = (name, text) => {
  for (const element of document.querySelectorAll(`[data-${name}]`)) element.textContent = text;
};

write("origin", PINNED.origin);
write("versions", PINNED.releases.map(({ version }) => `EZ-DMS ${version}`).join(" or "));
write("builds", PINNED.releases.map(({ build }) => build).join("; "));
const told = new URLSearchParams(location.hash.slice(1));
if (at("changed")) {
  // The only text from the server: shown only if it is a valid version.
  const said = new RegExp(PINNED.version).test(told.get("said")) ? told.get("said") : "";
  const isOther = said && !PINNED.releases.some(({ version }) => version === said);
  write("said", !said ? "The server does not say which release it runs."
    : isOther ? `The server says it runs EZ-DMS ${said}.`
      : `The server says it runs EZ-DMS ${said}, which is pinned, but sends something else.`);
  const why = ["late", "elsewhere", "unmarked"].find((one) => one === told.get("why")) ?? "changed";
  for (const id of ["changed", "late", "elsewhere", "unmarked"]) at(id).hidden = id !== why;
  at("upgrade").hidden = !isOther;
  at("ask").hidden = isOther;
  const address = told.get("at") ?? "";
  at("again").href = address.startsWith(`${PINNED.origin}/`) && why !== "elsewhere" ? address : PINNED.origin;
  if (why === "elsewhere") at("again").textContent = "Go to EZ-DMS";
}
