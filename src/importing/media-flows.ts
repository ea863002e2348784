// Whose packet it is: by what SDP says of both ends of its flow, never by arrival or SSRC. Pure.
//
// A packet is a party's when it comes from where that party said it receives (symmetric RTP, RFC 4961), or goes to where the
// other one does. Behind a NAT only one of the two shows: then the first source (or destination) that is seen is held on to.
import type { AnsweredCall, Described, Side } from './call-facts.ts';
import { otherSide } from './call-facts.ts';

/** How long a source must be silent before another one may take its place, in microseconds. */
const SILENCE_US = 2_000_000;
/** Calls that may claim one endpoint at one time: more tell nothing. */
const MOST_CLAIMS = 64;

/** The packets of one party on one leg. */
export interface Track<T> {
  side: Side;
  /** What the owner of the track wants to know it by. */
  target: T;
  packets: number;
  /** Packets that went to the party's port from elsewhere. */
  strangers: number;
  latched?: { flow: string; at: number };
}

/** One dialog whose media is looked for. */
interface Leg<T> {
  /** Legs of one recording may show the same packets; those of two recordings may not. */
  recording: string;
  tracks: Record<Side, Track<T>>;
}

/** A party of a leg receives here from a time on. */
interface Claim<T> {
  leg: Leg<T>;
  side: Side;
  from: number;
  to: number;
}

export interface LegOptions<T> {
  call: AnsweredCall;
  recording: string;
  from: number;
  to: number;
  targets: Record<Side, T>;
}

export class MediaFlows<T> {
  readonly #claims = new Map<string, Claim<T>[]>();
  #isSorted = false;

  /** @returns the tracks of both sides, which count what is found */
  add({ call, recording, from, to, targets }: LegOptions<T>): Record<Side, Track<T>> {
    const track = (side: Side): Track<T> => ({ side, target: targets[side], packets: 0, strangers: 0 });
    const leg: Leg<T> = { recording, tracks: { a: track('a'), b: track('b') } };
    const seen = new Set<string>();
    for (const described of call.described.filter((one) => isOfParty(call, one))) {
      for (const key of [described.rtp, described.rtcp]) {
        if (key === undefined || seen.has(`${described.side}${key}`)) continue;
        // What a party says first of its media holds from the beginning: on one leg it may be said later than on the other.
        const isFirst = described === call.described.find((one) => isSameParty(one, described));
        seen.add(`${described.side}${key}`);
        const since = isFirst ? from : Math.max(from, described.at);
        this.#claim(key, { leg, side: described.side, from: since, to });
      }
    }
    return leg.tracks;
  }

  #claim(key: string, claim: Claim<T>): void {
    const claims = this.#claims.get(key);
    if (claims === undefined) this.#claims.set(key, [claim]);
    else claims.push(claim);
    this.#isSorted = false;
  }

  /** The tracks to which a packet belongs; none for what is no call's. Ask in the order of time. */
  find(source: string, destination: string, at: number): Track<T>[] {
    if (!this.#isSorted) this.#sort();
    const from = this.#active(source, at);
    const to = this.#active(destination, at);
    if (from.length === 0 && to.length === 0) return [];
    const sure = to.filter(({ leg, side }) => from.some((one) => one.leg === leg && one.side !== side));
    const [newest] = sure;
    if (newest === undefined) return this.#byOneEnd(from, to, source, destination, at);
    return sure
      .filter(({ leg }) => leg.recording === newest.leg.recording)
      .map(({ leg, side }) => hold(leg.tracks[otherSide(side)], source, at));
  }

  #byOneEnd(from: Claim<T>[], to: Claim<T>[], source: string, destination: string, at: number): Track<T>[] {
    const [receiver] = to;
    const [sender] = from;
    const claim = receiver ?? sender;
    if (claim === undefined) return [];
    const track = claim.leg.tracks[receiver === undefined ? claim.side : otherSide(claim.side)];
    const flow = receiver === undefined ? destination : source;
    const { latched } = track;
    if (latched !== undefined && latched.flow !== flow && at - latched.at < SILENCE_US) {
      track.strangers += 1;
      return [];
    }
    return [hold(track, flow, at)];
  }

  /** Claims on an endpoint that hold at that time, the newest first. */
  #active(key: string, at: number): Claim<T>[] {
    const claims = this.#claims.get(key);
    if (claims === undefined) return [];
    const found: Claim<T>[] = [];
    let index = claimsUntil(claims, at);
    for (const least = index - MOST_CLAIMS; index > 0 && index > least; index -= 1) {
      const claim = claims[index - 1];
      if (claim !== undefined && at <= claim.to) found.push(claim);
    }
    return found;
  }

  #sort(): void {
    for (const claims of this.#claims.values()) {
      claims.sort((one, other) => one.from - other.from);
      for (const [index, claim] of claims.entries()) endWithoutBye(claim, claims[index + 1]);
    }
    this.#isSorted = true;
  }
}

/** Of a call that forked only the party that answered is one. */
export function isOfParty({ tags }: AnsweredCall, { side, tag }: Described): boolean {
  return side === 'a' || tag === tags.b;
}

function isSameParty(one: Described, other: Described): boolean {
  return one.side === other.side && one.tag === other.tag;
}

/** A call whose end was not captured ends, at this endpoint, where another one begins. */
function endWithoutBye<T>(claim: Claim<T>, next: Claim<T> | undefined): void {
  const isOther = next !== undefined && next.leg.recording !== claim.leg.recording;
  if (isOther && claim.to === Number.POSITIVE_INFINITY) claim.to = next.from;
}

function hold<T>(track: Track<T>, flow: string, at: number): Track<T> {
  track.latched = { flow, at };
  return track;
}

/** How many of them begin at that time or before. */
function claimsUntil<T>(claims: readonly Claim<T>[], at: number): number {
  let [low, high] = [0, claims.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((claims[middle]?.from ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
