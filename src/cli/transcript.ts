// `grec transcript`: what was said in a recording, as text, WebVTT or JSON; and putting a corrected one beside it.
import { readFileSync } from 'node:fs';
import type { Metadata } from '../archive/metadata.ts';
import { readMetadata } from '../archive/read.ts';
import { caller } from '../caller.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { askDaemon, socketOf } from '../control.ts';
import { GrecError, messageOf } from '../errors.ts';
import { channelOf } from '../speech/analytics.ts';
import {
  readTranscript,
  type SpokenPassage,
  type Transcript,
  webVttOf,
  writeTranscript,
} from '../speech/transcript.ts';
import { type Cue, parseWebVtt } from '../speech/web-vtt.ts';
import { note } from './audited.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { findRecording, requireFiles } from './recording.ts';
import { readAnalytics } from './show-talk.ts';
import { clockDuration, printable } from './table.ts';

export interface TranscriptOptions {
  format: 'text' | 'vtt' | 'json';
  original?: boolean;
  correct?: string;
}

/** @throws GrecError RECORDING_UNKNOWN, RECORDING_UNREADABLE, TRANSCRIPT_MISSING, USAGE, AUDIT_UNWRITABLE */
export async function transcript(
  context: CliContext,
  idOrPart: string,
  options: TranscriptOptions,
): Promise<number> {
  const row = findRecording(context, idOrPart);
  if (options.correct !== undefined) return correct(context, row, options.correct);
  const { format, original = false } = options;
  const found = requireTranscript(context, row, original);
  await note(context, {
    what: 'show',
    recording: row.id,
    details: { transcript: context.json ? 'json' : format },
  });
  if (context.json || format === 'json') context.printJson(found);
  else if (format === 'vtt') context.stdout.write(webVttOf(found));
  else context.print(...textOf(context, found));
  return EXIT.ok;
}

/** @throws GrecError TRANSCRIPT_MISSING, with the reason as far as it is known */
function requireTranscript(context: CliContext, row: RecordingRow, isOriginal: boolean): Transcript {
  const { transcripts } = context.config.paths;
  const corrected = isOriginal ? undefined : readTranscript(transcripts, row.id, 'corrected');
  const found = corrected ?? readTranscript(transcripts, row.id, 'original');
  if (found !== undefined) return found;
  const { problem, analytics } = readAnalytics(context, row);
  const why =
    problem ??
    (analytics === undefined ? 'it was not looked into yet' : 'nothing was there to transcribe it');
  throw new GrecError('TRANSCRIPT_MISSING', `recording ${shortId(row.id)} has no transcript: ${why}`, {
    hint: '`grec index` shows how far the index is; [index] transcriber says what transcribes, and `grec index rebuild` tries again',
  });
}

function textOf(context: CliContext, { engine, by, passages }: Transcript): string[] {
  const name = [engine.engine, engine.model, engine.version].filter(Boolean).join(' ');
  const made =
    engine.kind === 'phrases' ? `phrases that ${name} spotted: no transcript` : `transcript by ${name}`;
  const corrected = by === undefined ? '' : `, corrected by ${by}`;
  return [
    context.paint('dim', `${made}${corrected}`),
    ...passages.map(({ from, role, number, text }) => {
      const who = [role, number].filter((one) => one !== undefined).join(' ');
      return printable(`${clockDuration(from)}  ${who === '' ? '' : `${who}: `}${text}`);
    }),
  ];
}

/** The index takes it over when it is told to. */
async function correct(context: CliContext, row: RecordingRow, file: string): Promise<number> {
  const { directory } = requireFiles(context, row);
  const metadata = readMetadata(directory);
  const { transcripts } = context.config.paths;
  const original = readTranscript(transcripts, row.id, 'original');
  const passages = readCues(file).map((cue) => spokenBy(cue, metadata, original?.passages ?? []));
  const { user } = caller();
  await note(context, { what: 'correct', recording: row.id, details: { passages: passages.length } });
  const by = { engine: 'hand', model: '', version: '', kind: 'transcript' as const };
  const told = { engine: original?.engine ?? by, createdAt: new Date().toISOString(), by: user, passages };
  write(transcripts, { version: 1, recording: row.id, madeOf: metadata.madeOf, ...told });
  await askIndex(context, row);
  if (context.json) context.printJson({ id: row.id, passages: passages.length });
  else context.note(`the transcript of ${shortId(row.id)} is corrected: ${passages.length} passages`);
  return EXIT.ok;
}

/** @throws GrecError USAGE, FILE_UNREADABLE */
function readCues(file: string): Cue[] {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (thrown) {
    throw new GrecError('USAGE', `cannot read ${file}: ${messageOf(thrown)}`);
  }
  const cues = parseWebVtt(text);
  if (cues !== undefined && cues.length > 0) return cues;
  throw new GrecError('USAGE', `${file} is no WebVTT with cues`, {
    hint: '`grec transcript ID --format vtt` writes what can be corrected and given back',
  });
}

/** By the voice of the cue; without one, as what was heard next to it. */
function spokenBy(
  { voice, words: _, ...passage }: Cue,
  { parties, mediaFiles }: Metadata,
  original: readonly SpokenPassage[],
): SpokenPassage {
  const [role, number] = voice?.split(' ') ?? [];
  const party =
    parties.find((one) => one.role === role && one.number === number) ??
    parties.find((one) => one.role === role);
  if (party !== undefined)
    return {
      ...passage,
      channel: channelOf(party, mediaFiles[0]?.channels ?? 1),
      role: party.role,
      number: party.number,
    };
  const distance = (one: SpokenPassage) => Math.abs(one.from - passage.from);
  const nearest = original.toSorted((one, other) => distance(one) - distance(other))[0];
  return { ...passage, channel: nearest?.channel ?? 0, role: nearest?.role, number: nearest?.number };
}

/** @throws GrecError FILE_UNWRITABLE */
function write(folder: string, transcript: Transcript): void {
  try {
    writeTranscript(folder, transcript, 'corrected');
  } catch (thrown) {
    throw new GrecError('FILE_UNWRITABLE', `cannot write the transcript: ${messageOf(thrown)}`, {
      hint: 'run as the user that runs the daemons',
      cause: thrown,
    });
  }
}

async function askIndex(context: CliContext, { id }: RecordingRow): Promise<void> {
  try {
    await askDaemon('grec-procd', socketOf(context.config, 'grec-procd'), 'POST', '/index/redo', {
      which: { id },
    });
  } catch (thrown) {
    const asked = context.command('index rebuild');
    context.note(`its words are not found yet: ${messageOf(thrown)}; \`${asked}\` takes them into the index`);
  }
}
