// Which builds of its page the server served to one's own devices (docs/protocol.md, Vault). Twin of served.py.
// A build is {version, digest, first, last}: what the page says that it is, the digest of the scripts that it lists,
// and from when to when (ms) it was seen to be served.

const HOUR = 3600000;
const DAY = 24 * HOUR; // a build that is known is noted again after that, not before
const RECENT = 30 * DAY; // what was served longer ago is compared no more
const MOST = 8; // builds that are kept
const LATEST = 253402300799999; // ms: the end of the year 9999
const VERSION = new RegExp(String.raw`^[0-9]{1,5}(\.[0-9]{1,5}){1,3}`
  + String.raw`((a|b|rc)[0-9]{1,5}|-(alpha|beta|rc)(\.[0-9]{1,5})?)?(\.post[0-9]{1,5})?(\.dev[0-9]{1,5})?$`);
const DIGEST = /^[A-Za-z0-9_-]{43}$/;

const isTime = (value, least) => Number.isSafeInteger(value) && value >= least && value <= LATEST;
const isBuild = (one) => typeof one?.version === "string" && VERSION.test(one.version)
  && typeof one.digest === "string" && DIGEST.test(one.digest) && isTime(one.first, 1) && isTime(one.last, one.first);
const read = (value) => (Array.isArray(value) ? value : []).filter(isBuild)
  .map(({ version, digest, first, last }) => ({ version, digest, first, last }));
const keyOf = ({ version, digest }) => `${version} ${digest}`;
const byKey = (one, other) => (keyOf(one) < keyOf(other) ? -1 : 1);

// What two browsers know, the latest first. What has another form is left out.
export function mergeServed(mine, theirs) {
  const builds = new Map();
  for (const one of [...read(mine), ...read(theirs)]) {
    const { first, last } = builds.get(keyOf(one)) ?? one;
    builds.set(keyOf(one), { ...one, first: Math.min(first, one.first), last: Math.max(last, one.last) });
  }
  return [...builds.values()].sort((one, other) => other.last - one.last || byKey(one, other)).slice(0, MOST);
}

// Worth storing: a build that is not known, or was last noted a day ago.
export const isNews = (known, build) => isBuild(build)
  && read(known).every((one) => keyOf(one) !== keyOf(build) || build.last - one.last >= DAY);

// What cannot be if everybody is served the same. "differ": two builds of one version. "turns": one was served more
// than an hour (as far as clocks may be apart) after another one had begun to be. What a clock that is ahead noted says
// nothing of that.
export function doubts(builds, now) {
  const recent = read(builds).filter(({ last }) => now - last <= RECENT);
  recent.sort((one, other) => one.first - other.first || byKey(one, other));
  return recent.flatMap((one, i) => recent.slice(i + 1).flatMap((other) => {
    if (one.version === other.version) return [["differ", one, other]];
    return one.last - other.first > HOUR && one.last <= now + HOUR ? [["turns", one, other]] : [];
  }));
}

// Not noted more often by one browser, whatever its clock does.
export const isTooSoon = (noted, now) => Math.abs(now - noted) < HOUR;
