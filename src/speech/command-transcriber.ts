// Any program as a transcriber: it is given a WAV file, and writes WebVTT or JSON to its standard output.
import { accessSync, constants } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import * as v from 'valibot';
import { programEnvironment } from '../config.ts';
import { GrecError, messageOf } from '../errors.ts';
import { type Limits, runLimited } from './run-limited.ts';
import {
  type EngineDescription,
  type Passage,
  passageOf,
  type SpeechFile,
  type Transcriber,
} from './transcriber.ts';
import { parseWebVtt } from './web-vtt.ts';

export interface CommandOptions {
  /** The program and its arguments; `{wav}` stands for the file, which is the last argument when it stands nowhere. */
  command: readonly string[];
  /** What it is to be called in transcripts. */
  model: string | undefined;
  limitsOf(speech: SpeechFile): Limits;
}

const seconds = v.pipe(v.number(), v.minValue(0), v.maxValue(1e6));
const part = v.optional(v.pipe(v.number(), v.finite()));
/** As whisper and its relatives write it; ours are `text` and `confidence`. */
const answerSchema = v.object({
  engine: v.optional(v.string()),
  model: v.optional(v.string()),
  version: v.optional(v.string()),
  segments: v.array(
    v.object({
      start: seconds,
      end: seconds,
      text: v.string(),
      confidence: part,
      words: v.optional(
        v.array(
          v.object({
            start: seconds,
            end: seconds,
            word: v.optional(v.string()),
            text: v.optional(v.string()),
            confidence: part,
            probability: part,
          }),
        ),
      ),
    }),
  ),
});
type Answer = v.InferOutput<typeof answerSchema>;

export function commandTranscriber({ command, model, limitsOf }: CommandOptions): Transcriber {
  const [program = ''] = command;
  return {
    async open(): Promise<EngineDescription> {
      requireProgram(program);
      return { engine: basename(program), model: model ?? '', version: '', kind: 'transcript' };
    },
    async transcribe(speech) {
      const output = await runLimited(withFile(command, speech.wav), limitsOf(speech), dirname(speech.wav));
      return readAnswer(output.toString('utf8'), program);
    },
    spot: async () => [],
    close: async () => {},
  };
}

function withFile(command: readonly string[], wav: string): string[] {
  const words = command.map((word) => word.replaceAll('{wav}', wav));
  return command.some((word) => word.includes('{wav}')) ? words : [...words, wav];
}

/** @throws GrecError TRANSCRIBER_FAILED */
function readAnswer(text: string, program: string): Passage[] {
  const cues = parseWebVtt(text);
  if (cues !== undefined) return cues.map(({ voice: _, ...passage }) => passage);
  try {
    return v
      .parse(answerSchema, JSON.parse(text))
      .segments.map(passageOfSegment)
      .filter(({ text }) => text !== '');
  } catch (thrown) {
    throw new GrecError(
      'TRANSCRIBER_FAILED',
      `${program} wrote neither WebVTT nor JSON with segments: ${messageOf(thrown)}`,
    );
  }
}

function passageOfSegment({ start, end, text, confidence, words = [] }: Answer['segments'][number]): Passage {
  const told = words.map((word) => ({
    from: word.start * 1000,
    to: Math.max(word.start, word.end) * 1000,
    text: (word.word ?? word.text ?? '').trim(),
    confidence: word.confidence ?? word.probability,
  }));
  return {
    ...passageOf(told),
    from: start * 1000,
    to: Math.max(start, end) * 1000,
    text: text.replaceAll(/\s+/g, ' ').trim(),
    ...(confidence === undefined ? {} : { confidence }),
  };
}

/** @throws GrecError TRANSCRIBER_UNUSABLE */
function requireProgram(program: string): void {
  const folders = program.includes('/') ? [''] : (programEnvironment()['PATH'] ?? '').split(delimiter);
  for (const folder of folders) {
    try {
      accessSync(folder === '' ? program : join(folder, program), constants.X_OK);
      return;
    } catch {
      // Perhaps in the next one.
    }
  }
  throw new GrecError('TRANSCRIBER_UNUSABLE', `cannot run ${program}`, {
    hint: '[index] command names the program that transcribes, and its arguments',
  });
}
