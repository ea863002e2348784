// Which call at one switch goes on as which call at another one, and on whose side: what comes over that trunk are the voices
// that the other switch captures nearer. Pure.
import { isSameNumber } from './numbers.ts';
import { type EventOf, eventOf, type PendingCall } from './situation.ts';
import type { Label } from './stream-map.ts';

/** One side of a call. */
export interface End {
  /** See {@link callKey}. */
  call: string;
  label: Label;
}

/** Two ends of one trunk, from and until when: microseconds since 1970. */
export interface TrunkLink {
  out: End;
  into: End;
  from: number;
  to: number;
}

/** How much later than the outgoing call, or earlier by their clocks, the incoming one may begin. */
const LATEST_US = 30_000_000;
const EARLIEST_US = -5_000_000;

/** The name of a call among those of several switches. */
export function callKey({ id, source = 0 }: Pick<PendingCall, 'id' | 'source'>): string {
  return `${source} ${id}`;
}

export function otherSide(label: Label): Label {
  return label === 'a' ? 'b' : 'a';
}

type Created = EventOf<'call.created'>;
type Pair = { out: PendingCall; into: PendingCall; delay: number; isNumbered: boolean };

/** @param calls of one conversation */
export function trunkLinks(calls: readonly PendingCall[]): TrunkLink[] {
  const linked = new Set<string>();
  const links = pairsOf(calls).flatMap(({ out, into }): TrunkLink[] => {
    const ends = [callKey(out), callKey(into)] as const;
    if (linked.has(`${ends[0]} b`) || linked.has(`${ends[1]} a`)) return [];
    linked.add(`${ends[0]} b`).add(`${ends[1]} a`);
    const from = eventOf(out, 'call.created')?.at ?? 0;
    const [one, other] = [
      { call: ends[0], label: 'b' as const },
      { call: ends[1], label: 'a' as const },
    ];
    return [{ out: one, into: other, from: from + EARLIEST_US, to: Number.POSITIVE_INFINITY }];
  });
  return follow(links, calls);
}

/** A call out of one switch and a call into another one; those whose numbers agree first, then those that are nearest in time. */
function pairsOf(calls: readonly PendingCall[]): Pair[] {
  const pairs = calls.flatMap((out) => calls.flatMap((into) => pairOf(out, into) ?? []));
  return pairs.toSorted(
    (one, other) =>
      Number(other.isNumbered) - Number(one.isNumbered) || Math.abs(one.delay) - Math.abs(other.delay),
  );
}

function pairOf(out: PendingCall, into: PendingCall): Pair | undefined {
  const [one, other] = [eventOf(out, 'call.created'), eventOf(into, 'call.created')];
  if (one?.to.trunk === undefined || other?.from.trunk === undefined) return undefined;
  if ((out.source ?? 0) === (into.source ?? 0)) return undefined;
  const delay = other.at - one.at;
  if (delay < EARLIEST_US || delay > LATEST_US) return undefined;
  return { out, into, delay, isNumbered: agree(one, other) };
}

function agree(out: Created, into: Created): boolean {
  return isSameNumber(out.from.number, into.from.number) || isSameNumber(out.to.number, into.to.number);
}

/** Transfers move the ends of a trunk from call to call. */
function follow(links: TrunkLink[], calls: readonly PendingCall[]): TrunkLink[] {
  const transfers = calls
    .flatMap((call) => call.events.map((event) => ({ call, event })))
    .filter(({ event }) => event.type === 'call.transferred')
    .toSorted((one, other) => one.event.at - other.event.at);
  let followed = links;
  for (const { call, event } of transfers)
    if (event.type === 'call.transferred') followed = followed.flatMap((link) => moved(link, call, event));
  return followed;
}

function moved(link: TrunkLink, call: PendingCall, event: EventOf<'call.transferred'>): TrunkLink[] {
  const { at, consultation, label } = event;
  if (at < link.from || at >= link.to) return [link];
  const was = consultation === undefined ? undefined : callKey({ id: consultation, source: call.source });
  const here = callKey(call);
  for (const end of ['out', 'into'] as const) {
    const { [end]: known } = link;
    const before = { ...link, to: at };
    if (known.call === was) return [before, { ...link, [end]: { call: here, label }, from: at }];
    // Somebody else is there from now on.
    if (known.call === here && known.label === label) return [before];
  }
  return [link];
}
