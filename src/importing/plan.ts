// What becomes of the calls of a capture: recordings, each of one or more segments, with names that are always the same. Pure.
import { v5 } from 'uuid';
import type { Party } from '../spool/segment.ts';
import type { AnsweredCall, CapturedParty, Side } from './call-facts.ts';
import { joinCalls } from './join.ts';

/** The name space of everything that is imported: the same call of the same capture always gets the same ids. */
const NAME_SPACE = '2d0c2e3f-52a4-4a52-9a9d-5b0f1c0d7a11';

/** What is known of a number: it is a DN of this site, or one that the operator named. */
export interface KnownNumber {
  /** The recording follows this party when the other one is known too. */
  isRecorded: boolean;
}

/** One uninterrupted capture of one call. */
export interface PlannedSegment {
  id: string;
  /** Where the caller's and the callee's side is seen; the same dialog unless a B2BUA has two. */
  legs: { a: AnsweredCall; b: AnsweredCall };
  /** Microseconds since 1970. `end` is infinite when the capture does not tell. */
  start: number;
  end: number;
  parties: Party[];
}

export interface PlannedRecording {
  recording: string;
  call: string;
  /** 32 hexadecimal digits. */
  sessionId: string;
  calls: AnsweredCall[];
  segments: PlannedSegment[];
}

/** The recordings of these calls, oldest first. */
export function planRecordings(
  calls: readonly AnsweredCall[],
  known: ReadonlyMap<string, KnownNumber>,
): PlannedRecording[] {
  return joinCalls(calls).flatMap((group) => {
    const [first] = group;
    return first === undefined ? [] : [planRecording(first, group, known)];
  });
}

function planRecording(
  first: AnsweredCall,
  group: AnsweredCall[],
  known: ReadonlyMap<string, KnownNumber>,
): PlannedRecording {
  const identity = `${first.callId}\n${first.tags.a}\n${first.createdAt}`;
  const recording = v5(`recording:${identity}`, NAME_SPACE);
  const chains = setUpTogether(group);
  const agent = agentOf(chains[0] ?? group, known);
  const segments = chains.flatMap((chain, index) => {
    return planSegment(chain, v5(`segment ${index}:${identity}`, NAME_SPACE), agent, known);
  });
  const [sessionId = v5(`session:${identity}`, NAME_SPACE).replaceAll('-', '')] = first.sessionIds;
  return { recording, call: v5(`call:${identity}`, NAME_SPACE), sessionId, calls: group, segments };
}

/** Dialogs that were set up one through the other: the legs of one connection. What came later is another one. */
function setUpTogether(group: readonly AnsweredCall[]): AnsweredCall[][] {
  const chains: AnsweredCall[][] = [];
  for (const call of group) {
    const chain = chains.find(([first]) => first !== undefined && call.createdAt <= first.answeredAt);
    if (chain === undefined) chains.push([call]);
    else chain.push(call);
  }
  return chains;
}

function planSegment(
  chain: readonly AnsweredCall[],
  id: string,
  agent: Agent,
  known: ReadonlyMap<string, KnownNumber>,
): PlannedSegment[] {
  const { first: a, last: b } = endsOf(chain);
  if (a === undefined || b === undefined) return [];
  const end = Math.min(...chain.map(({ releasedAt }) => releasedAt ?? Number.POSITIVE_INFINITY));
  const side = agentSide(a.parties.a, b.parties.b, agent);
  const parties = [
    partyFact('a', a.tags.a, a.parties.a, side, known),
    partyFact('b', b.tags.b, b.parties.b, side, known),
  ];
  return [{ id, legs: { a, b }, start: b.answeredAt, end, parties }];
}

/** The leg of the caller, and that of whoever answered: the last of those that were created, one through the other. */
function endsOf(chain: readonly AnsweredCall[]) {
  return { first: chain[0], last: chain.at(-1) };
}

/** Whose channel is the left one: the number of the agent, and that of the other party, of a call's first segment. */
interface Agent {
  number: string;
  other: string;
}

/** A number that is known; of two the one that is recorded; the caller when neither tells. */
function agentOf(chain: readonly AnsweredCall[], known: ReadonlyMap<string, KnownNumber>): Agent {
  const { first, last } = endsOf(chain);
  const [a, b] = [first?.parties.a.number ?? '', last?.parties.b.number ?? ''];
  const [ofA, ofB] = [known.get(a), known.get(b)];
  const isB = ofB !== undefined && (ofA === undefined || (ofB.isRecorded && !ofA.isRecorded));
  return isB ? { number: b, other: a } : { number: a, other: b };
}

/** Nobody changes channels when a later connection of the same call is made the other way round. */
function agentSide(a: CapturedParty, b: CapturedParty, { number, other }: Agent): Side {
  if (a.number === number) return 'a';
  return b.number === number || a.number === other ? 'b' : 'a';
}

function partyFact(
  label: Side,
  tag: string,
  party: CapturedParty,
  agent: Side,
  known: ReadonlyMap<string, KnownNumber>,
): Party {
  const role = label === agent ? 'agent' : 'customer';
  return { label, tag, role, ...(known.has(party.number) ? { dn: party.number } : {}), ...party };
}
