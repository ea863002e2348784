// The clock of captures and journals: wall time in microseconds that never jumps.

/**
 * Wall clock at the start of the monotonic clock, in milliseconds; taken once, so that a step of the former is not seen. The
 * monotonic clock is that of the machine: processes that share an origin share the time.
 */
let origin = Date.now() - monotonicMs();

function monotonicMs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1e3 + nanos / 1e6;
}

/** From the start of this process's own clock, which is quicker to ask, to that of the machine. */
let ahead = monotonicMs() - performance.now();

/** What {@link adoptClock} needs for another process of this machine to have the same time, in milliseconds. */
export function clockOrigin(): number {
  return origin;
}

/** Takes over the time of another process of this machine. */
export function adoptClock(originOfOther: number): void {
  origin = originOfOther;
  ahead = monotonicMs() - performance.now();
}

/** Wall clock in whole microseconds since 1970, run from the monotonic clock. */
export function microsNow(): number {
  return Math.floor((origin + ahead + performance.now()) * 1000);
}
