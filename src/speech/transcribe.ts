// The transcript of one recording: the speech of each channel through an engine, one channel after the other.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Metadata } from '../archive/metadata.ts';
import { channelOf, masksOf } from './analytics.ts';
import { cutSpeech, piecesOf } from './cut-speech.ts';
import { lengthOf, type Span } from './spans.ts';
import type { EngineDescription, Passage, SpeechFile, Transcriber } from './transcriber.ts';
import { placePassages } from './transcriber.ts';
import type { SpokenPassage, Transcript } from './transcript.ts';

/** Where nobody speaks for a moment only, no engine would find a word. */
const SHORTEST_SPEECH_MS = 200;

export interface Engine {
  transcriber: Transcriber;
  description: EngineDescription;
  phrases: readonly string[];
  /** For the speech in clear, for as long as it is listened to. */
  folder: string;
}

/** @param speech where somebody speaks, by channel. @throws GrecError TRANSCRIBER_FAILED, RECORDING_UNREADABLE */
export async function transcribe(
  wav: string,
  metadata: Metadata,
  speech: readonly (readonly Span[])[],
  engine: Engine,
): Promise<Transcript> {
  const passages: SpokenPassage[] = [];
  for (const [channel, spans] of speech.entries()) {
    const pieces = piecesOf(spans, masksOf(metadata), metadata.duration);
    if (lengthOf(pieces) < SHORTEST_SPEECH_MS) continue;
    const heard = await withSpeech(engine.folder, (file) =>
      listen(cutSpeech(wav, channel, pieces, file), engine),
    );
    for (const passage of placePassages(heard, pieces))
      passages.push(spokenBy(passage, channel, metadata, speech.length));
  }
  return {
    version: 1,
    recording: metadata.id,
    madeOf: metadata.madeOf,
    engine: engine.description,
    createdAt: new Date().toISOString(),
    passages: passages.sort((one, other) => one.from - other.from || one.channel - other.channel),
  };
}

async function listen(speech: SpeechFile, { transcriber, phrases }: Engine): Promise<Passage[]> {
  const said = await transcriber.transcribe(speech);
  return phrases.length === 0 ? said : [...said, ...(await transcriber.spot(speech, phrases))];
}

async function withSpeech<T>(folder: string, work: (file: string) => Promise<T>): Promise<T> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const directory = mkdtempSync(join(folder, 'speech-'));
  try {
    return await work(join(directory, 'speech.wav'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The party of its channel, and of its time where one followed the other. */
function spokenBy(passage: Passage, channel: number, metadata: Metadata, channels: number): SpokenPassage {
  const at = Date.parse(metadata.startTime) + passage.from;
  const there = metadata.parties.filter((party) => channels > 1 && channelOf(party, channels) === channel);
  const party =
    there.find(({ startTime, stopTime }) => {
      return (
        at >= Date.parse(startTime ?? metadata.startTime) && at < Date.parse(stopTime ?? metadata.stopTime)
      );
    }) ?? there[0];
  const { words, ...said } = passage;
  return {
    channel,
    ...(party && { role: party.role, number: party.number }),
    ...said,
    ...(words.length > 0 && { words: [...words] }),
  };
}
