import type { Clock } from "../../src/ctx.ts";

/** A clock that stands still but while somebody sleeps, and then jumps at once. */
export interface FakeClock extends Clock {
  /** How long each sleep was to be, in milliseconds. */
  readonly sleeps: number[];
  /** Called at the end of each sleep, with how many there were: the place to let the world change. */
  onSleep: ((count: number) => void) | undefined;
}

/** Makes a clock that tests own. */
export function fakeClock(start = 0): FakeClock {
  let now = start;
  const clock: FakeClock = {
    sleeps: [],
    onSleep: undefined,
    now: () => now,
    monotonic: () => now,
    async sleep(ms, signal) {
      clock.sleeps.push(ms);
      if (!signal?.aborted) now += ms;
      clock.onSleep?.(clock.sleeps.length);
      await Promise.resolve();
    },
  };
  return clock;
}
