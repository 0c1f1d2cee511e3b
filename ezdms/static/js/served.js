// Tracks which builds of the page a server sent to the user's devices (docs/protocol.md, Vault). Twin of served.py.
// A build is {version, digest, first, last}: the version the page claims, the digest of the scripts it lists, and when
// it was first and last seen (ms).

const HOUR = 3600000;
const DAY = 24 * HOUR; // a known build is recorded again only after this time
const RECENT = 30 * DAY; // older builds are not compared
const MOST = 8; // builds kept
const LATEST = 253402300799999; // ms: the end of the year 9999
const VERSION = /^\d{1,5}(\.\d{1,5}){1,3}(-?(a|b|alpha|beta|rc)\.?\d{0,5})?(\.post\d{1,5})?(\.dev\d{1,5})?$/;
const DIGEST = /^[A-Za-z0-9_-]{43}$/;

const isTime = (value, least) => Number.isSafeInteger(value) && value >= least && value <= LATEST;
const isBuild = (one) => typeof one?.version === "string" && VERSION.test(one.version)
  && typeof one.digest === "string" && DIGEST.test(one.digest) && isTime(one.first, 1) && isTime(one.last, one.first);
const read = (value) => (Array.isArray(value) ? value : []).filter(isBuild)
  .map(({ version, digest, first, last }) => ({ version, digest, first, last }));
const keyOf = ({ version, digest }) => `${version} ${digest}`;
const byKey = (one, other) => (keyOf(one) < keyOf(other) ? -1 : 1);

// Merge the builds two browsers know, latest first. Malformed ones are left out.
export function mergeServed(mine, theirs) {
  const builds = new Map();
  for (const one of [...read(mine), ...read(theirs)]) {
    const { first, last } = builds.get(keyOf(one)) ?? one;
    builds.set(keyOf(one), { ...one, first: Math.min(first, one.first), last: Math.max(last, one.last) });
  }
  return [...builds.values()].sort((one, other) => other.last - one.last || byKey(one, other)).slice(0, MOST);
}

// True if the build is worth storing: unknown, or last recorded a day ago.
export const isNews = (known, build) => isBuild(build)
  && read(known).every((one) => keyOf(one) !== keyOf(build) || build.last - one.last >= DAY);

// Signs that devices were not sent the same page. "differ": two builds of one version. "turns": one build was served
// more than an hour (the tolerance for clocks) after another had replaced it; records from a clock that is ahead are
// ignored.
export function doubts(builds, now) {
  const recent = read(builds).filter(({ last }) => now - last <= RECENT);
  recent.sort((one, other) => one.first - other.first || byKey(one, other));
  return recent.flatMap((one, i) => recent.slice(i + 1).flatMap((other) => {
    if (one.version === other.version) return [["differ", one, other]];
    return one.last - other.first > HOUR && one.last <= now + HOUR ? [["turns", one, other]] : [];
  }));
}

// Limits how often one browser records, whatever its clock does.
export const isTooSoon = (noted, now) => Math.abs(now - noted) < HOUR;
