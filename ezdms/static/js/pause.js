// When work is done again. How long the page waits before it connects again: a restarted server loses all connections
// at once, so each page picks a random time: five hundred come back over four seconds, not in the same one.

const SPREAD = 4000; // ms: the longest pause for the first tries, since a restart takes only seconds;
const FIRST = 3;
const LONGEST = 10000; // then it is doubled with each try, up to this
const SHORTEST = 100;

// `attempt`: how many tries have failed since the last frame. `random`: from 0 to 1.
export function pauseAfter(attempt, random) {
  return SHORTEST + random * (Math.min(SPREAD * 2 ** Math.max(attempt + 1 - FIRST, 0), LONGEST) - SHORTEST);
}

// A function that runs `work()`, once at a time: calls made meanwhile are answered by one more run.
export function onceMore(work) {
  let [running, next] = [Promise.resolve(), null]; // next: a run that has not begun
  return () => {
    next ??= running.then(() => {
      next = null;
      return work();
    });
    running = next.catch(() => {});
    return next;
  };
}
