// Which dialogs are one call: only what the messages themselves tell joins them. Pure.
//
// A back-to-back user agent makes a dialog of its own for each leg. Two dialogs are legs of one call when their Session-ID
// headers share a UUID (RFC 7989), or when the second was set up while the first was and both name the same two media
// endpoints (a B2BUA that leaves the media alone). Numbers and times alone join nothing.
import type { AnsweredCall, Described } from './call-facts.ts';

/** Dialogs of one conversation, in the order in which they were created. */
export function joinCalls(calls: readonly AnsweredCall[]): AnsweredCall[][] {
  const groups = new Map<AnsweredCall, AnsweredCall[]>(calls.map((call) => [call, [call]]));
  const join = (one: AnsweredCall, other: AnsweredCall) => {
    const [kept, gone] = [groups.get(one) ?? [], groups.get(other) ?? []];
    if (kept === gone) return;
    kept.push(...gone);
    for (const call of gone) groups.set(call, kept);
  };
  const inOrder = calls.toSorted((one, other) => one.createdAt - other.createdAt);
  joinByKey(
    inOrder,
    ({ sessionIds }) => [...sessionIds],
    () => true,
    join,
  );
  joinByKey(inOrder, mediaKeys, isSetUpWithin, join);
  const joined = [...new Set(groups.values())];
  for (const group of joined) group.sort((one, other) => one.createdAt - other.createdAt);
  return joined.sort((one, other) => startOf(one) - startOf(other));
}

function joinByKey(
  calls: readonly AnsweredCall[],
  keysOf: (call: AnsweredCall) => string[],
  belongs: (first: AnsweredCall, later: AnsweredCall) => boolean,
  join: (one: AnsweredCall, other: AnsweredCall) => void,
): void {
  const last = new Map<string, AnsweredCall>();
  for (const call of calls) {
    for (const key of keysOf(call)) {
      const before = last.get(key);
      if (before !== undefined && belongs(before, call)) join(before, call);
      last.set(key, call);
    }
  }
}

/** Both endpoints together; one alone may be a media server's that serves many. */
function mediaKeys({ described, tags }: AnsweredCall): string[] {
  const a = firstOf(described, 'a', tags.a);
  const b = firstOf(described, 'b', tags.b);
  return a === undefined || b === undefined ? [] : [`${a}\n${b}`];
}

function firstOf(described: readonly Described[], side: 'a' | 'b', tag: string): string | undefined {
  return described.find((one) => one.side === side && one.tag === tag)?.rtp;
}

/** The later dialog was created during the setting up of the first, and answered before it. */
function isSetUpWithin(first: AnsweredCall, later: AnsweredCall): boolean {
  return later.createdAt <= first.answeredAt && later.answeredAt <= first.answeredAt;
}

function startOf([first]: AnsweredCall[]): number {
  return first?.createdAt ?? 0;
}
