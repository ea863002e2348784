// Parties as they were captured, each by one call; and whether two of them are one. Pure.
import type { Party } from '../spool/segment.ts';

/** A party in one segment. */
export interface Leg extends Omit<Party, 'tag'> {
  /** The number of the segment. */
  segment: number;
  source: number;
  call: string;
  /** Where its media came from, as its SDP said. */
  address: string | undefined;
  /** Microseconds since 1970. */
  from: number;
  to: number;
}

/** Shorter numbers, and shorter ends of longer ones, are alike by chance. */
const LEAST_DIGITS = 3;
const LEAST_END = 7;
/** Digits that are dialled to reach a trunk, at most. */
const LONGEST_PREFIX = 3;

export function overlap(one: Leg, other: Leg): boolean {
  return one.from < other.to && other.from < one.to;
}

/** Whether they are surely the same; when they overlap in time, more is asked of them. */
export function isSameParty(one: Leg, other: Leg): boolean {
  if (one.segment === other.segment) return false;
  const [isNear, isOtherNear] = [one.dn !== undefined, other.dn !== undefined];
  if (one.call === other.call) return one.label === other.label && keyOf(one) === keyOf(other);
  // Two switches may each have an extension of that number, and both are whom they say.
  if (one.source !== other.source && isNear && isOtherNear) return false;
  if (isNear && isOtherNear)
    return one.dn === other.dn && (!overlap(one, other) || one.address === other.address);
  // Callers of one trunk that overlap may be two who share a number, or have none.
  if (one.source === other.source && !isNear && !isOtherNear && overlap(one, other)) return false;
  return isSameNumber(one.number, other.number);
}

function keyOf({ dn, uri }: Leg): string {
  return dn ?? uri;
}

/** A prefix may have been added or taken away on the way. */
function isSameNumber(one: string, other: string): boolean {
  const [short = '', long = ''] = [one, other].map(digitsOf).toSorted((a, b) => a.length - b.length);
  if (short.length < LEAST_DIGITS) return one === other && /\d/.test(one);
  const isPrefixed = long.length - short.length <= LONGEST_PREFIX;
  return long.endsWith(short) && (isPrefixed || short.length >= LEAST_END);
}

function digitsOf(number: string): string {
  return /^[+\d*#]+$/.test(number) ? number.replace(/^\+/, '') : '';
}
