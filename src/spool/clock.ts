// The clock of captures and journals: wall time in microseconds that never jumps.

/** Wall clock at the start of the monotonic clock, in milliseconds; taken once, so that a step of the former is not seen. */
const origin = Date.now() - performance.now();

/** Wall clock in whole microseconds since 1970, run from the monotonic clock. */
export function microsNow(): number {
  return Math.floor((origin + performance.now()) * 1000);
}
