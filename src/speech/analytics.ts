// What voice activity tells of a conversation: who talked how much, over whom, and where nobody did. Pure.
import { type ArchivedParty, journaledEvents, type Metadata } from '../archive/metadata.ts';
import { common, lengthOf, others, overlapping, type Span, united, without } from './spans.ts';

/** Pauses within a turn. */
const TURN_GAP_MS = 1000;
/** Who speaks into another one's words for less agrees, coughs or laughs. */
const INTERRUPTION_MS = 500;

/** All times in milliseconds. */
export interface PartyTalk {
  channel: number;
  role: ArchivedParty['role'];
  number: string;
  dn?: string | undefined;
  agentId?: string | undefined;
  talk: number;
  /** While it could be heard, and said nothing. */
  silence: number;
  /** How often it spoke, pauses of less than a second aside. */
  turns: number;
  longestTurn: number;
  /** How often it began to speak while another one did, and went on for half a second at least. */
  interruptions: number;
  /** From the beginning of the recording; undefined when it said nothing. */
  firstWord?: number | undefined;
}

export interface Analytics {
  duration: number;
  /** Somebody spoke. */
  talk: number;
  /** Nobody did, and nobody was on hold, and nothing was masked. */
  silence: number;
  longestSilence: number;
  /** Where that began. */
  longestSilenceAt: number;
  /** At least two spoke. */
  talkOver: number;
  /** Until somebody spoke; undefined when nobody did. */
  firstWord?: number | undefined;
  hold: number;
  holds: number;
  masked: number;
  /** Empty when all parties are in one channel. */
  parties: PartyTalk[];
}

type Told = Pick<Metadata, 'startTime' | 'duration' | 'parties' | 'masked' | 'events' | 'eventHistory'>;

/** @param speech where somebody spoke, by channel of the file */
export function analyse(told: Told, speech: readonly (readonly Span[])[]): Analytics {
  const duration = Math.max(0, Math.round(told.duration));
  const metadata = { ...told, duration };
  const [held, masked] = [holdsOf(metadata), masksOf(metadata)];
  const heard = speech.map((spans) => without(spans, masked));
  const anyone = united(heard.flat());
  const quiet = without(others(anyone, duration), united([...held, ...masked]));
  const longest = quiet.reduce((most, one) => (one.to - one.from > most.to - most.from ? one : most), {
    from: 0,
    to: 0,
  });
  return {
    duration,
    talk: lengthOf(anyone),
    silence: lengthOf(quiet),
    longestSilence: longest.to - longest.from,
    longestSilenceAt: longest.from,
    talkOver: lengthOf(overlapping(heard)),
    firstWord: anyone[0]?.from,
    hold: lengthOf(united(held)),
    holds: held.length,
    masked: lengthOf(masked),
    parties: talkOf(metadata, heard, masked),
  };
}

/** One for each party that has a channel, or a side, for itself. */
function talkOf(metadata: Told, heard: readonly Span[][], masked: readonly Span[]): PartyTalk[] {
  const channels = heard.length;
  if (channels < 2 && metadata.parties.length > 1) return [];
  const spoken = metadata.parties.map((party) => {
    const present = presenceOf(party, metadata);
    const channel = channelOf(party, channels);
    return { party, channel, present, spans: common(heard[channel] ?? [], [present]) };
  });
  return spoken.map(({ party, channel, present, spans }) => {
    const elsewhere = spoken.filter((other) => other.channel !== channel).map((other) => other.spans);
    const turns = united(spans, TURN_GAP_MS);
    const audible = lengthOf(without([present], masked));
    return {
      channel: party.channel,
      role: party.role,
      number: party.number,
      dn: party.dn,
      agentId: party.agentId,
      talk: lengthOf(spans),
      silence: audible - lengthOf(spans),
      turns: turns.length,
      longestTurn: Math.max(0, ...turns.map(({ from, to }) => to - from)),
      interruptions: turns.filter((turn) => interrupts(turn, elsewhere)).length,
      firstWord: spans[0]?.from,
    };
  });
}

/** In the file: parties that have none for themselves are on their side, agents left. */
export function channelOf(
  { channel, role }: Pick<ArchivedParty, 'channel' | 'role'>,
  channels: number,
): number {
  if (channel < channels) return channel;
  return role === 'agent' || channels < 2 ? 0 : 1;
}

function presenceOf({ startTime, stopTime }: ArchivedParty, told: Told): Span {
  const from = startTime === undefined ? 0 : offsetOf(startTime, told);
  return { from, to: stopTime === undefined ? told.duration : offsetOf(stopTime, told) };
}

function interrupts({ from, to }: Span, elsewhere: readonly (readonly Span[])[]): boolean {
  return elsewhere.some((spans) => {
    const other = united(spans, TURN_GAP_MS / 2).find((one) => one.from < from && one.to > from);
    return other !== undefined && Math.min(to, other.to) - from >= INTERRUPTION_MS;
  });
}

/** When nothing was to be heard. */
export function masksOf(told: Pick<Metadata, 'masked' | 'startTime' | 'duration'>): Span[] {
  const spans = (told.masked ?? []).map(({ startTime, stopTime }) => {
    return {
      from: offsetOf(startTime, told),
      to: stopTime === undefined ? told.duration : offsetOf(stopTime, told),
    };
  });
  return united(spans);
}

/** From each hold until it ends: one at a time for each leg of a call. */
function holdsOf(told: Told): Span[] {
  const since = new Map<string, number>();
  const spans: Span[] = [];
  const end = (leg: string, at: number) => {
    const from = since.get(leg);
    since.delete(leg);
    if (from !== undefined && at > from) spans.push({ from, to: at });
  };
  for (const { event, occurredAt, call, label } of journaledEvents(told)) {
    const leg = `${String(call)} ${String(label)}`;
    const at = offsetOf(occurredAt, told);
    if (event === 'call.held' && !since.has(leg)) since.set(leg, at);
    if (event === 'call.retrieved') end(leg, at);
    if (event === 'call.released')
      for (const one of [...since.keys()]) if (one.startsWith(`${String(call)} `)) end(one, at);
  }
  for (const leg of [...since.keys()]) end(leg, told.duration);
  return spans;
}

/** Milliseconds from the beginning of the recording, within it. */
function offsetOf(at: string, { startTime, duration }: Pick<Metadata, 'startTime' | 'duration'>): number {
  const offset = Date.parse(at) - Date.parse(startTime);
  return Number.isNaN(offset) ? 0 : Math.round(Math.min(duration, Math.max(0, offset)));
}
