// Parties as they were captured, each by one call; and whether two of them are one. Pure.
import type { Party } from '../spool/segment.ts';
import { isSameNumber } from './numbers.ts';
import type { Label } from './stream-map.ts';
import { type End, otherSide, type TrunkLink } from './trunk-links.ts';

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
  /** Another switch captured the same voice nearer. */
  mirror?: Leg | undefined;
}

/** Captures of one conversation by two switches begin and end apart. */
const MOMENT_US = 1_000_000;

export function overlap(one: Leg, other: Leg): boolean {
  return one.from < other.to && other.from < one.to;
}

/** Whether they are surely the same; when they overlap in time, more is asked of them. */
export function isSameParty(one: Leg, other: Leg): boolean {
  if (isMirrorOf(one, other) || isMirrorOf(other, one)) return true;
  if (one.segment === other.segment) return one.label === other.label && one.mirror === other.mirror;
  const [isNear, isOtherNear] = [one.dn !== undefined, other.dn !== undefined];
  // A party that was transferred away may come back on the other side; at one time each side is somebody else.
  if (one.call === other.call && (one.label === other.label || overlap(one, other)))
    return one.label === other.label && keyOf(one) === keyOf(other);
  // Two switches may each have an extension of that number; and of what overlaps a trunk between them tells.
  if (one.source !== other.source && (overlap(one, other) || (isNear && isOtherNear))) return false;
  if (isNear && isOtherNear)
    return one.dn === other.dn && (!overlap(one, other) || one.address === other.address);
  // Callers of one trunk that overlap may be two who share a number, or have none.
  if (one.source === other.source && !isNear && !isOtherNear && overlap(one, other)) return false;
  return isSameNumber(one.number, other.number);
}

/** Whether the voice of the one is captured nearer by the other. */
export function isMirrorOf({ mirror }: Leg, { segment, label }: Leg): boolean {
  return mirror?.segment === segment && mirror.label === label;
}

function keyOf({ dn, uri }: Leg): string {
  return dn ?? uri;
}

/**
 * A leg in pieces, each with the leg of another switch that has the same voice nearer.
 * @param near legs of all segments
 */
export function splitByMirror(leg: Leg, links: readonly TrunkLink[], near: readonly Leg[]): Leg[] {
  const heard = links.flatMap((link) => {
    const end = farEnd(leg, link);
    if (end === undefined) return [];
    const mirrors = near.filter(({ call, label }) => call === end.call && label === otherSide(end.label));
    return mirrors.map((mirror) => ({
      mirror,
      from: Math.max(leg.from, link.from, mirror.from),
      to: Math.min(leg.to, link.to, mirror.to),
    }));
  });
  const spans = heard.filter(({ from, to }) => from < to);
  const edges = [leg.from, leg.to, ...spans.flatMap(({ from, to }) => [from, to])];
  const times = [...new Set(edges)].toSorted((one, other) => one - other);
  const pieces = times.slice(1).map((to, index): Leg => {
    const from = times[index] ?? leg.from;
    const span = spans.find((one) => one.from <= from && one.to >= to);
    return { ...leg, from, to, mirror: span?.mirror };
  });
  return pieces.length === 0 ? [leg] : mended(pieces);
}

/** Between two captures, and before the first one, there are moments that no mirror has: they belong to what follows. */
function mended(pieces: readonly Leg[]): Leg[] {
  const whole: Leg[] = [];
  for (const [index, piece] of pieces.entries()) {
    const isMoment = piece.mirror === undefined && piece.to - piece.from < MOMENT_US;
    const mirror = isMoment ? (pieces[index + 1] ?? pieces[index - 1])?.mirror : piece.mirror;
    const last = whole.at(-1);
    if (last !== undefined && last.mirror === mirror) last.to = piece.to;
    else whole.push({ ...piece, mirror });
  }
  return whole;
}

function farEnd({ call, label }: { call: string; label: Label }, { out, into }: TrunkLink): End | undefined {
  if (out.call === call && out.label === label) return into;
  return into.call === call && into.label === label ? out : undefined;
}
