// Which calls are one conversation: those of the same Session-ID (RFC 7989), and those that a transfer has joined. Pure.
import { summaryOf } from './call-facts.ts';
import type { PendingCall } from './situation.ts';

/** Calls of one Session-ID that lie further apart belong to a peer that uses it again, in microseconds. */
const MOST_APART_US = 60_000_000;
/** No conversation has so many calls: a peer that gives all of its calls the same Session-ID is not believed. */
const MOST_CALLS = 16;

/**
 * The conversations of these calls, whatever their order: each with its calls in the order in which they began.
 * A call that is part of none with another one is a conversation of its own.
 */
export function conversationsOf(calls: readonly PendingCall[]): PendingCall[][] {
  const ordered = calls.toSorted(byBeginning);
  const groups = new Map(ordered.map((call) => [call.id, new Set([call])]));
  const join = (one: PendingCall, other: PendingCall) => {
    const [to, from] = [groups.get(one.id), groups.get(other.id)];
    if (to === undefined || from === undefined || to === from) return;
    for (const call of from) groups.set(call.id, to.add(call));
  };
  for (const group of bySession(ordered)) for (const call of group) join(group[0] ?? call, call);
  const byId = new Map(ordered.map((call) => [call.id, call]));
  for (const call of ordered)
    for (const id of summaryOf(call).consultations) join(call, byId.get(id) ?? call);
  return [...new Set(groups.values())].map((group) => [...group].toSorted(byBeginning));
}

/** By the beginning as their switches tell it; what no switch tells anything of comes last. */
export function byBeginning(one: PendingCall, other: PendingCall): number {
  const [first, second] = [summaryOf(one).from, summaryOf(other).from];
  if (first !== second) return first < second ? -1 : 1;
  return one.id < other.id ? -1 : 1;
}

/** Calls that share a Session-ID and follow on one another. @param ordered by their beginnings */
function bySession(ordered: readonly PendingCall[]): PendingCall[][] {
  const sessions = new Map<string, PendingCall[]>();
  for (const call of ordered)
    for (const id of summaryOf(call).sessions) sessions.set(id, [...(sessions.get(id) ?? []), call]);
  return [...sessions.values()].flatMap(splitAtGaps).filter(({ length }) => length <= MOST_CALLS);
}

function splitAtGaps(calls: readonly PendingCall[]): PendingCall[][] {
  const parts: PendingCall[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const call of calls) {
    const { from, to } = summaryOf(call);
    const last = parts.at(-1);
    if (last === undefined || from > end + MOST_APART_US) parts.push([call]);
    else last.push(call);
    end = Math.max(end, to);
  }
  return parts;
}
