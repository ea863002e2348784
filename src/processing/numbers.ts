// Telephone numbers of one party, as two switches write them. Pure.

/** Shorter numbers, and shorter ends of longer ones, are alike by chance. */
const LEAST_DIGITS = 3;
const LEAST_END = 7;
/** Digits that are dialled to reach a trunk, at most. */
const LONGEST_PREFIX = 3;

/** A prefix may have been added or taken away on the way. */
export function isSameNumber(one: string, other: string): boolean {
  const [short = '', long = ''] = [one, other].map(digitsOf).toSorted((a, b) => a.length - b.length);
  if (short.length < LEAST_DIGITS) return one === other && /\d/.test(one);
  const isPrefixed = long.length - short.length <= LONGEST_PREFIX;
  return long.endsWith(short) && (isPrefixed || short.length >= LEAST_END);
}

function digitsOf(number: string): string {
  return /^[+\d*#]+$/.test(number) ? number.replace(/^\+/, '') : '';
}
