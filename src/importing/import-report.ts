// What an import is asked for, and what it tells of the calls that it found.
import type { PacketCounters } from '../capture/packets.ts';
import type { Side } from './call-facts.ts';
import type { FileReport } from './capture-files.ts';
import { foundIn, strangersOf, type Work } from './media-work.ts';
import type { KnownNumber, PlannedRecording } from './plan.ts';

export interface ImportOptions {
  files: readonly string[];
  spool: string;
  /** Who imports, for the metadata. */
  by: string;
  /** DNs of this site, and other numbers that are agents. */
  known: ReadonlyMap<string, KnownNumber>;
  /** What is known of a recording already; undefined when nothing is. */
  stateOf(recording: string): string | undefined;
  isDryRun: boolean;
  /** No keys are to be in the recordings. */
  isDtmfDropped?: boolean;
  /** Bytes read since the last call; all files are read twice. */
  onBytes(count: number): void;
  signal: AbortSignal;
}

/** `known`: it was imported before. `no-media`: the capture has none of its packets. */
export type ImportResult = 'imported' | 'found' | 'known' | 'no-media';

export interface ImportedRecording {
  recording: string;
  result: ImportResult;
  callIds: string[];
  from: string;
  to: string;
  /** Microseconds since 1970. */
  start: number;
  /** Undefined when the capture ends before the call does. */
  end: number | undefined;
  segments: number;
  packets: Record<Side, number>;
  /** Encodings that were agreed on for speech, the first one preferred. */
  codecs: string[];
  /** Packets that came to a party's port from elsewhere, and are in no recording. */
  strangers: number;
}

export interface ImportReport {
  files: FileReport[];
  recordings: ImportedRecording[];
  /** Calls that nobody answered. */
  unanswered: number;
  sipMessages: number;
  malformed: number;
  packets: PacketCounters;
}

/** A call, with what was found of its media. */
export function describeImport(
  planned: PlannedRecording,
  used: readonly Work[],
  result: ImportResult,
): ImportedRecording {
  const { recording, calls, segments } = planned;
  const [first] = segments;
  const numberOf = (side: Side) => first?.parties.find(({ label }) => label === side)?.number ?? '';
  const found = used.map(foundIn);
  const sum = (side: Side) => found.reduce((total, { packets }) => total + packets[side], 0);
  const end = Math.max(...segments.map((segment) => segment.end));
  const formats = calls.flatMap(({ described }) => described.flatMap((one) => one.formats));
  const speech = formats
    .map(({ encoding }) => encoding)
    .filter((name) => !/^(TELEPHONE-EVENT|CN|RED)$/.test(name));
  return {
    recording,
    result,
    callIds: calls.map(({ callId }) => callId),
    from: numberOf('a'),
    to: numberOf('b'),
    start: first?.start ?? 0,
    end: Number.isFinite(end) ? end : undefined,
    segments: used.length,
    packets: { a: sum('a'), b: sum('b') },
    codecs: [...new Set(speech)],
    strangers: used.reduce((total, work) => total + strangersOf(work), 0),
  };
}
