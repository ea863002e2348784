// Compares the recording of a conversation with its diary: every sample, its place, and what the metadata says of it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metadata } from '../../src/archive/metadata.ts';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { ALAW_TO_LINEAR, MULAW_TO_LINEAR } from '../../src/rtp/g711.ts';
import { compareSpeech, type SpeechReport, type Utterance } from '../../src/testing/placed-speech.ts';
import { type SaidPacket, speechOf } from '../../src/testing/rough-voice.ts';
import { type Asked, type Diary, ruleOf, type SpokenVoice } from './conversation-diary.ts';
import { readAllChannels } from './installation.ts';

/** A sample may stand so far from its time, milliseconds: what the switch promises without a drift. */
const TOLERANCE_MS = 20;
/** The same of a clock that drifts and sends no reports: what its drift comes to before it can be told. */
const DRIFT_TOLERANCE_MS = 60;
const DRIFTS_AFTER_US = 20_000_000;
/** Of a source, what comes in so long a time tells where it stands: microseconds. */
const PLACED_BY_US = 4_000_000;
/** Times in the metadata are whole milliseconds, of another process: milliseconds. */
const ROUNDED_MS = 5;

export interface ConversationReport {
  /** Of packets: what had to be heard, what was found, what might have been heard and is not. */
  due: number;
  found: number;
  passed: number;
  worstMs: number;
  slips: number;
  problems: string[];
}

/** @param rows all recordings that are listed */
export function checkConversation(
  diary: Diary,
  rows: readonly RecordingRow[],
  archive: string,
): ConversationReport {
  const report: ConversationReport = {
    due: 0,
    found: 0,
    passed: 0,
    worstMs: 0,
    slips: 0,
    problems: [...diary.problems],
  };
  const own = rows.filter(({ sessionId }) => sessionId === diary.sessionId);
  const [row] = own;
  if (own.length !== 1) report.problems.push(`${own.length} recordings: ${own.map(({ id }) => id).join()}`);
  if (row === undefined) return report;
  if (row.state !== 'complete') report.problems.push(`${row.id} is ${row.state}: ${row.reason}`);
  if (row.path === null) return report;
  const directory = join(archive, row.path);
  const metadata: Metadata = JSON.parse(readFileSync(join(directory, 'metadata.json'), 'utf8'));
  const channels = readAllChannels(join(directory, 'audio.wav'));
  report.problems.push(...describedWrongly(diary, metadata));
  compareChannels(diary, metadata, channels, report);
  report.problems = report.problems.map((problem) => `${row.id}: ${problem}`);
  return report;
}

function compareChannels(
  diary: Diary,
  metadata: Metadata,
  channels: readonly Int16Array[],
  report: ConversationReport,
): void {
  const startAt = Date.parse(metadata.startTime) * 1000;
  const spans: [number, number][] = [];
  const places: string[] = [];
  const channelOf = (number: string) => metadata.parties.find((party) => party.number === number)?.channel;
  for (const voice of diary.voices)
    if (channelOf(voice.number) === undefined) {
      const due = voice.voice.said.filter((said) => ruleOf(diary, voice, said) === 'must').length;
      if (due > 0) report.problems.push(`${voice.who} has no channel, and said ${due} packets`);
    }
  for (const [channel, samples] of channels.entries()) {
    const voices = diary.voices.filter(({ number }) => channelOf(number) === channel);
    const compared = compareChannel(diary, voices, samples, {
      startAt,
      mayFollow: hasFollowed(metadata, channel),
    });
    if (compared.span !== undefined) spans.push(compared.span);
    report.due += compared.due;
    report.found += compared.found;
    report.passed += compared.passed;
    report.slips += compared.slips;
    if (Math.abs(compared.worstMs) > Math.abs(report.worstMs)) report.worstMs = compared.worstMs;
    const offsets = [...compared.offsets].map(
      ([who, [least, most]]) => `${who} ${least.toFixed(1)} to ${most.toFixed(1)} ms`,
    );
    places.push(...offsets);
    report.problems.push(...compared.problems.map((problem) => `channel ${channel}: ${problem}`));
  }
  const [first, last] = [Math.min(...spans.map(([from]) => from)), Math.max(...spans.map(([, to]) => to))];
  const length = channels[0]?.length ?? 0;
  if (first !== 0 || last !== length)
    report.problems.push(`${length} samples, of which ${first} to ${last} hold what was said`);
  if (Math.abs(metadata.duration - length / 8) > 1)
    report.problems.push(`${length} samples, and the metadata says ${metadata.duration} ms`);
  if (report.problems.length === 0) return;
  const seconds = (at: number) => ((at - startAt) / 1e6).toFixed(4);
  const pauses = diary.pauses.map(({ begun, ended }) =>
    [begun.from, begun.to, ended?.from ?? NaN, ended?.to ?? NaN].map(seconds).join(' '),
  );
  report.problems.push(`from their times: ${places.join(', ')}; pauses: ${pauses.join(', ')}`);
}

function hasFollowed({ quality }: Metadata, channel: number): boolean {
  return quality.some((one) => one.channel === channel && (one.driftSamples ?? 0) > 0);
}

function compareChannel(
  diary: Diary,
  voices: readonly SpokenVoice[],
  samples: Int16Array,
  { startAt, mayFollow }: { startAt: number; mayFollow: boolean },
): SpeechReport & { due: number } {
  const said = voices.flatMap((voice) => utterancesOf(diary, voice));
  const isLong = said.some(({ at }) => at - (said[0]?.at ?? at) > DRIFTS_AFTER_US);
  const toleranceMs = isLong ? DRIFT_TOLERANCE_MS : TOLERANCE_MS;
  const compared = compareSpeech(samples, startAt, said, { toleranceMs, mayFollow });
  return { ...compared, due: said.filter(({ rule }) => rule === 'must').length };
}

function utterancesOf(diary: Diary, spoken: SpokenVoice): Utterance[] {
  const { voice, who } = spoken;
  const heldUp = heldUpOf(voice.said.filter((said) => ruleOf(diary, spoken, said) === 'must'));
  const name = `${who} (voice ${diary.voices.indexOf(spoken)})`;
  return voice.said.map((said): Utterance => {
    const table = said.payloadType === 8 ? ALAW_TO_LINEAR : MULAW_TO_LINEAR;
    const samples = Int16Array.from(speechOf(voice.seed, said.number), (byte) => table[byte] ?? 0);
    const { number, at, source } = said;
    return {
      who: name,
      number,
      samples,
      at,
      rule: ruleOf(diary, spoken, said),
      heldUpMs: heldUp.get(source) ?? 0,
    };
  });
}

/** By source, how late its least late packet left of those by which it is placed: a machine without time is a bad network too. */
function heldUpOf(said: readonly SaidPacket[]): Map<number, number> {
  const heldUp = new Map<number, number>();
  for (const [source, packets] of Map.groupBy(said, (one) => one.source)) {
    const sent = packets.flatMap(({ at, sentAt }) => (sentAt === undefined ? [] : [{ at, sentAt }]));
    const until = Math.min(...sent.map(({ sentAt }) => sentAt)) + PLACED_BY_US;
    const late = sent.filter(({ sentAt }) => sentAt < until).map(({ at, sentAt }) => sentAt - at);
    if (late.length > 0) heldUp.set(source, Math.min(...late) / 1000);
  }
  return heldUp;
}

/** What the metadata says otherwise than it was. */
function describedWrongly(diary: Diary, metadata: Metadata): string[] {
  return [
    ...partiesWrong(diary, metadata),
    ...spansWrong(
      'masked',
      diary.pauses.map(({ begun, ended, reason }) => ({ begun, ended, words: `${reason} by script` })),
      (metadata.masked ?? []).map(({ startTime, stopTime, by, reason }) => ({
        from: startTime,
        to: stopTime,
        words: `${reason} by ${by}`,
      })),
    ),
    ...spansWrong(
      'held',
      diary.holds.map(({ begun, ended, by }) => ({ begun, ended, words: by })),
      heldSpans(metadata),
    ),
    ...(metadata.remarks.length > 0 ? [`remarks: ${metadata.remarks.join('; ')}`] : []),
  ];
}

/** The agent left, the customer right, the third one, if there was one, on a channel of its own. */
function partiesWrong(diary: Diary, { parties }: Metadata): string[] {
  const { numbers } = diary;
  const wanted = new Map([
    [numbers.agent, 0],
    [numbers.customer, 1],
  ]);
  // One who came and went in a pause was never captured.
  const isThere = parties.some(({ number }) => number === numbers.expert);
  if (isThere || hasDue(diary, 'expert')) wanted.set(numbers.expert, 2);
  const found = new Map(parties.map(({ number, channel }) => [number, channel]));
  return JSON.stringify([...wanted].sort()) === JSON.stringify([...found].sort())
    ? []
    : [`parties and channels: ${JSON.stringify([...found])} instead of ${JSON.stringify([...wanted])}`];
}

function hasDue(diary: Diary, who: SpokenVoice['who']): boolean {
  return diary.voices.some(
    (voice) => voice.who === who && voice.voice.said.some((said) => ruleOf(diary, voice, said) === 'must'),
  );
}

interface Span {
  from: string;
  to: string | undefined;
  words: string;
}

function heldSpans({ eventHistory }: Metadata): Span[] {
  const spans: Span[] = [];
  for (const entry of eventHistory) {
    const words = 'contact' in entry ? String((entry.contact as { phoneNumber: string }).phoneNumber) : '';
    if (entry.event === 'Held') spans.push({ from: entry.occurredAt, to: undefined, words });
    const open = spans.findLast((span) => span.words === words && span.to === undefined);
    if (entry.event === 'Retrieved' && open !== undefined) open.to = entry.occurredAt;
  }
  return spans;
}

function spansWrong(
  what: string,
  wanted: readonly { begun: Asked; ended: Asked | undefined; words: string }[],
  found: readonly Span[],
): string[] {
  const shown = () => `${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`;
  if (found.length !== wanted.length) return [shown()];
  const inOrder = wanted.toSorted((one, other) => one.begun.from - other.begun.from);
  const isRight = inOrder.every(({ begun, ended, words }, index) => {
    const span = found[index];
    return (
      span?.words === words &&
      isWithin(span.from, begun) &&
      (ended === undefined || (span.to !== undefined && isWithin(span.to, ended)))
    );
  });
  return isRight ? [] : [shown()];
}

function isWithin(time: string, { from, to }: Asked): boolean {
  const at = Date.parse(time);
  return at >= from / 1000 - ROUNDED_MS && at <= to / 1000 + ROUNDED_MS;
}
