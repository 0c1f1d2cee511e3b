// The extension's own pages: which release is pinned, and what to do about a page that is not that release.

const at = (id) => document.getElementById(id);

for (const element of document.querySelectorAll("[data-origin]")) element.textContent = PINNED.origin;
for (const element of document.querySelectorAll("[data-releases]")) {
  element.textContent = PINNED.releases.map(({ version, digest }) => `${version} (${digest.slice(0, 16)}…)`).join(", ");
}
const told = new URLSearchParams(location.hash.slice(1));
if (at("said")) {
  // The server's word, and the only one of its words here: it is a version and nothing else, or it is not shown.
  const said = new RegExp(PINNED.version).test(told.get("said")) ? told.get("said") : "";
  const isOther = said && !PINNED.releases.some(({ version }) => version === said);
  at("said").textContent = !said ? "The server does not say which release it runs."
    : isOther ? `The server says that it runs EZ-DMS ${said}.`
      : `The server says that it runs EZ-DMS ${said}, which is pinned, but sends something else.`;
  for (const why of ["late", "unmarked"]) at(why).hidden = told.get("why") !== why;
  at("upgrade").hidden = !isOther;
  at("changed").hidden = isOther;
  const address = told.get("at") ?? "";
  at("again").href = address.startsWith(`${PINNED.origin}/`) ? address : PINNED.origin;
}
