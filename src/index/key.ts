// Keys of rows that begin at a time: the greater, the later, so that SQLite gives the newest first without sorting.

/** How many rows may begin in the same millisecond. With it keys are exact numbers until the year 2109. */
const IN_A_MILLISECOND = 2048;

/** The first key of a time. @param at milliseconds since 1970 */
export function keyAt(at: number): number {
  return Math.max(0, Math.floor(at)) * IN_A_MILLISECOND;
}

/**
 * A free key of a time.
 * @param greatestBelow the greatest key in use that is below the given one, if any
 */
export function freeKey(at: number, greatestBelow: (key: number) => number | undefined): number {
  const [first, end] = [keyAt(at), keyAt(Math.max(0, at) + 1)];
  const used = greatestBelow(end);
  return used === undefined || used < first ? first : Math.min(used + 1, end - 1);
}
