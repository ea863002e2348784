// PocketSphinx (CMU) as a transcriber: it spots words and phrases; on telephone speech what it gives is no text to be read.
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { programEnvironment } from '../config.ts';
import { GrecError } from '../errors.ts';
import { type Limits, runLimited } from './run-limited.ts';
import type { EngineDescription, Passage, Piece, SpeechFile, Transcriber, Word } from './transcriber.ts';
import { passageOf } from './transcriber.ts';

const PROGRAM = 'pocketsphinx_batch';
/** Where Debian's packages put the model. */
const MODEL = '/usr/share/pocketsphinx/model/en-us';
/** Of the language model beside it. */
const [ACOUSTIC, LANGUAGE, DICTIONARY] = ['en-us', 'en-us.lm.bin', 'cmudict-en-us.dict'] as const;
const WAV_HEADER_BYTES = 44;
/** Its frames, by which it is told where a piece is. */
const FRAME_MS = 10;
/** Hypotheses at a time: a quarter of the processor's time for a loss that is hardly to be measured. */
const MOST_HYPOTHESES = 3000;
/** What is surer than this is taken; the rest is as often wrong as right. */
const LEAST_CONFIDENCE = 0.1;
/** Decibels of the logarithm that a phrase must stand out by: found best at 8 kHz. */
const PHRASE_THRESHOLD = '1e-20';

export interface PocketSphinxOptions {
  /** A directory with its model; Debian's by default. */
  model?: string | undefined;
  limitsOf(speech: SpeechFile): Limits;
}

/** Whether program and model are there, as Debian installs them. */
export function hasPocketSphinx(model = MODEL): boolean {
  return programPath() !== undefined && missingOf(model) === undefined;
}

export function pocketSphinx({ model = MODEL, limitsOf }: PocketSphinxOptions): Transcriber {
  let program = PROGRAM;
  const words = new Set<string>();
  return {
    async open(): Promise<EngineDescription> {
      program = requireProgram();
      const missing = missingOf(model);
      if (missing !== undefined)
        throw new GrecError('TRANSCRIBER_UNUSABLE', `the model of PocketSphinx lacks ${missing}`, {
          hint: 'install it (Debian: apt install pocketsphinx-en-us), or set [index] model',
        });
      return { engine: 'pocketsphinx', model: basename(model), version: await versionOf(), kind: 'phrases' };
    },
    async transcribe(speech) {
      const names = ['-lm', join(model, LANGUAGE), '-maxhmmpf', `${MOST_HYPOTHESES}`];
      const { ctm } = await decode({ program, model, speech, limits: limitsOf(speech) }, names);
      return readCtm(ctm, speech.pieces);
    },
    async spot(speech, phrases) {
      if (words.size === 0) for (const word of readDictionary(model)) words.add(word);
      const known = phrases.filter((phrase) => wordsOf(phrase).every((word) => words.has(word)));
      if (known.length === 0) return [];
      const list = join(dirname(speech.wav), 'phrases');
      writeFileSync(
        list,
        known.map((phrase) => `${wordsOf(phrase).join(' ')} /${PHRASE_THRESHOLD}/\n`).join(''),
      );
      const { hyp } = await decode({ program, model, speech, limits: limitsOf(speech) }, ['-kws', list]);
      return readSpotted(hyp, speech.pieces, known);
    },
    close: async () => {},
  };
}

interface Decoding {
  program: string;
  model: string;
  speech: SpeechFile;
  limits: Limits;
}

async function decode({ program, model, speech, limits }: Decoding, search: readonly string[]) {
  const folder = dirname(speech.wav);
  const [ctl, ctm, hyp] = ['ctl', 'ctm', 'hyp'].map((name) => join(folder, name)) as [string, string, string];
  const name = basename(speech.wav, '.wav');
  writeFileSync(
    ctl,
    speech.pieces.map(({ from, to }, index) => `${name} ${frameAt(from)} ${frameAt(to)} ${index}\n`).join(''),
  );
  const files = [
    '-ctl',
    ctl,
    '-ctm',
    ctm,
    '-hyp',
    hyp,
    '-cepdir',
    folder,
    '-cepext',
    '.wav',
    '-logfn',
    '/dev/null',
  ];
  const sound = ['-adcin', 'yes', '-adchdr', `${WAV_HEADER_BYTES}`];
  const names = ['-hmm', join(model, ACOUSTIC), '-dict', join(model, DICTIONARY)];
  await runLimited([program, ...names, ...search, ...sound, ...files], limits, folder);
  return { ctm: readFileSync(ctm, 'utf8'), hyp: readFileSync(hyp, 'utf8') };
}

function frameAt(ms: number): number {
  return Math.round(ms / FRAME_MS);
}

/** Lines of `piece 1 from length word confidence`, in seconds. */
function readCtm(ctm: string, pieces: readonly Piece[]): Passage[] {
  const byPiece = new Map<number, Word[]>();
  for (const line of ctm.split('\n')) {
    const [index, , from, length, text = '', confidence] = line.split(' ');
    const piece = pieces[Number(index)];
    const sure = Number(confidence);
    // Fillers are in brackets; a second pronunciation is `word(2)`.
    if (piece === undefined || !(sure >= LEAST_CONFIDENCE) || /^[<[+]/.test(text)) continue;
    const at = piece.from + Number(from) * 1000;
    const word = {
      from: at,
      to: at + Number(length) * 1000,
      text: text.replace(/\(\d+\)$/, ''),
      confidence: sure,
    };
    byPiece.set(Number(index), [...(byPiece.get(Number(index)) ?? []), word]);
  }
  return [...byPiece.values()].map(passageOf);
}

/** Lines of `phrase phrase  (piece score)`: where in a piece is not told. */
function readSpotted(hyp: string, pieces: readonly Piece[], phrases: readonly string[]): Passage[] {
  return hyp.split('\n').flatMap((line) => {
    const [, said = '', index] = /^(.*?)\s*\((\d+) -?\d+\)$/.exec(line) ?? [];
    const piece = pieces[Number(index)];
    if (piece === undefined) return [];
    return phrases
      .filter((phrase) => ` ${said.replaceAll(/\s+/g, ' ')} `.includes(` ${wordsOf(phrase).join(' ')} `))
      .map((text) => ({ from: piece.from, to: piece.to, text, words: [] }));
  });
}

function wordsOf(phrase: string): string[] {
  return phrase.toLowerCase().match(/[a-z']+/g) ?? [''];
}

function* readDictionary(model: string): Generator<string> {
  for (const line of readFileSync(join(model, DICTIONARY), 'utf8').split('\n')) {
    const [word] = line.split(' ', 1);
    if (word) yield word;
  }
}

function missingOf(model: string): string | undefined {
  return [join(ACOUSTIC, 'mdef'), LANGUAGE, DICTIONARY]
    .map((name) => join(model, name))
    .find((file) => !existsSync(file));
}

function requireProgram(): string {
  const found = programPath();
  if (found !== undefined) return found;
  throw new GrecError('TRANSCRIBER_UNUSABLE', `${PROGRAM} is not installed`, {
    hint: 'install it (Debian: apt install pocketsphinx pocketsphinx-en-us), or set [index] transcriber',
  });
}

function programPath(): string | undefined {
  const folders = (programEnvironment()['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, PROGRAM)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** It does not tell its own; the package that it came with does. */
function versionOf(): Promise<string> {
  return new Promise((resolve) => {
    execFile('dpkg-query', ['--show', 'pocketsphinx'], { timeout: 5000 }, (error, out) => {
      resolve(error ? 'unknown' : (out.split('\t')[1]?.trim() ?? 'unknown'));
    });
  });
}
