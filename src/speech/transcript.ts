// The transcript of a recording as a file: what was said, when, by whom, and which engine heard it.
import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { type Cue, printWebVtt } from './web-vtt.ts';

const LARGEST_BYTES = 64 << 20;
const ms = v.pipe(v.number(), v.minValue(0));
const sure = v.optional(v.number());
const word = v.object({ from: ms, to: ms, text: v.string(), confidence: sure });
const passageSchema = v.object({
  channel: v.pipe(v.number(), v.integer(), v.minValue(0)),
  role: v.optional(v.picklist(['agent', 'customer'])),
  number: v.optional(v.string()),
  /** Milliseconds from the beginning of the recording. */
  from: ms,
  to: ms,
  text: v.string(),
  confidence: sure,
  words: v.optional(v.array(word)),
});
const transcriptSchema = v.object({
  version: v.literal(1),
  recording: v.string(),
  /** Names all that the recording was made of when it was heard. */
  madeOf: v.optional(v.string()),
  engine: v.object({
    engine: v.string(),
    model: v.string(),
    version: v.string(),
    kind: v.picklist(['transcript', 'phrases']),
  }),
  /** ISO 8601. */
  createdAt: v.string(),
  /** Who corrected it. */
  by: v.optional(v.string()),
  /** In the order of time. */
  passages: v.array(passageSchema),
});
export type Transcript = v.InferOutput<typeof transcriptSchema>;
export type SpokenPassage = v.InferOutput<typeof passageSchema>;

/** `original`: what an engine heard. `corrected`: what somebody has made of that. */
export type TranscriptKind = 'original' | 'corrected';

/** By the end of the identifier, which is random: no folder grows too large. */
export function transcriptFile(folder: string, recording: string, kind: TranscriptKind = 'original'): string {
  const ending = kind === 'original' ? '.json' : '.corrected.json';
  return join(folder, recording.slice(-2), `${recording}${ending}`);
}

/** Undefined when there is none. @throws GrecError RECORDING_UNREADABLE */
export function readTranscript(
  folder: string,
  recording: string,
  kind: TranscriptKind,
): Transcript | undefined {
  const file = transcriptFile(folder, recording, kind);
  try {
    if (statSync(file).size > LARGEST_BYTES) throw new Error('it is too large');
    return v.parse(transcriptSchema, JSON.parse(readFileSync(file, 'utf8')));
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT' || systemCode(thrown) === 'ENOTDIR') return undefined;
    throw new GrecError('RECORDING_UNREADABLE', `cannot read the transcript ${file}: ${messageOf(thrown)}`, {
      hint: 'the file is damaged: remove it, and `grec index rebuild --transcripts` makes it again',
      cause: thrown,
    });
  }
}

/** The corrected one, if there is one. @throws GrecError RECORDING_UNREADABLE */
export function readBestTranscript(folder: string, recording: string): Transcript | undefined {
  return readTranscript(folder, recording, 'corrected') ?? readTranscript(folder, recording, 'original');
}

/** Whole or not at all, whenever the power goes. Throws Node's system errors. */
export function writeTranscript(folder: string, transcript: Transcript, kind: TranscriptKind): void {
  const file = transcriptFile(folder, transcript.recording, kind);
  mkdirSync(dirname(file), { recursive: true, mode: 0o750 });
  const staging = `${file}.tmp`;
  const fd = openSync(staging, 'w', 0o640);
  try {
    writeSync(fd, `${JSON.stringify(transcript)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(staging, file);
}

/** Both, and what was half written. */
export function removeTranscripts(folder: string, recording: string): void {
  for (const kind of ['original', 'corrected'] as const) {
    const file = transcriptFile(folder, recording, kind);
    for (const name of [file, `${file}.tmp`]) rmSync(name, { force: true });
  }
}

export function webVttOf({ engine, passages, by }: Transcript): string {
  const made = engine.kind === 'phrases' ? 'phrase spotting, not a transcript' : 'transcript';
  const note = `${made}: ${[engine.engine, engine.model, engine.version].filter(Boolean).join(' ')}`;
  return printWebVtt(passages.map(cueOf), by === undefined ? note : `${note}; corrected by ${by}`);
}

function cueOf({ role, number, words: _, ...passage }: SpokenPassage): Cue {
  const voice = [role, number].filter((one) => one !== undefined).join(' ');
  return { ...passage, words: [], ...(voice !== '' && { voice }) };
}

/** Names its contents. */
export function digestOf({ passages }: Transcript): string {
  return createHash('sha256').update(JSON.stringify(passages)).digest('hex');
}
