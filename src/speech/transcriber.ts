// What turns speech into words: one narrow interface, behind which each engine is a program of its own.
import type { Span } from './spans.ts';

/** A stretch of the recording, within the file that an engine is given. */
export interface Piece extends Span {
  /** Where it stands in the recording, in milliseconds. */
  at: number;
}

/** The speech of one channel, its pauses left out: WAV, one channel, 16-bit PCM at {@link SPEECH_RATE}. */
export interface SpeechFile {
  wav: string;
  /** In order; at least one. */
  pieces: readonly Piece[];
}

/** Hz: what engines take, whatever the telephone carried. */
export const SPEECH_RATE = 16_000;

/** Times in milliseconds from the beginning of the file. */
export interface Word extends Span {
  text: string;
  /** From 0 to 1, as the engine has it. */
  confidence?: number | undefined;
}

export interface Passage extends Span {
  text: string;
  confidence?: number | undefined;
  /** Empty when the engine does not tell them apart. */
  words: readonly Word[];
}

export interface EngineDescription {
  engine: string;
  model: string;
  version: string;
  /** `phrases`: words and phrases are spotted in it, and it is no text that can be read. */
  kind: 'transcript' | 'phrases';
}

export interface Transcriber {
  /** @throws GrecError TRANSCRIBER_UNUSABLE: a program or a file of the model is missing */
  open(): Promise<EngineDescription>;
  /** @throws GrecError TRANSCRIBER_FAILED */
  transcribe(speech: SpeechFile): Promise<Passage[]>;
  /** Where these phrases are heard; none where the engine cannot look for them. @throws GrecError TRANSCRIBER_FAILED */
  spot(speech: SpeechFile, phrases: readonly string[]): Promise<Passage[]>;
  close(): Promise<void>;
}

/** Passages of the file as passages of the recording; what reaches over a pause is cut there, if its words can be told apart. */
export function placePassages(passages: readonly Passage[], pieces: readonly Piece[]): Passage[] {
  return passages.flatMap((passage) => {
    if (passage.words.length === 0) return place(passage, pieces);
    const byPiece = new Map<Piece, Word[]>();
    for (const word of passage.words) {
      const piece = pieceAt(pieces, (word.from + word.to) / 2);
      if (piece !== undefined) byPiece.set(piece, [...(byPiece.get(piece) ?? []), word]);
    }
    if (byPiece.size === 1) return place(passage, pieces);
    return [...byPiece.values()].flatMap((words) => place(passageOf(words), pieces));
  });
}

/** Words that belong together as one passage; their mean confidence is its own. */
export function passageOf(words: readonly Word[]): Passage {
  const known = words.flatMap(({ confidence }) => confidence ?? []);
  const mean = known.reduce((sum, one) => sum + one, 0) / known.length;
  return {
    from: words[0]?.from ?? 0,
    to: words.at(-1)?.to ?? 0,
    text: words.map(({ text }) => text).join(' '),
    ...(known.length > 0 && { confidence: Math.round(mean * 1000) / 1000 }),
    words,
  };
}

function place(passage: Passage, pieces: readonly Piece[]): Passage[] {
  const piece = pieceAt(pieces, passage.from);
  if (piece === undefined) return [];
  const last = piece.at + piece.to - piece.from;
  const shift = ({ from, to }: Span) => ({
    from: Math.min(last, Math.max(piece.at, Math.round(from + piece.at - piece.from))),
    to: Math.min(last, Math.max(piece.at, Math.round(to + piece.at - piece.from))),
  });
  const words = passage.words.map((word) => ({ ...word, ...shift(word) }));
  return [{ ...passage, ...shift(passage), words }];
}

/** The last one that has begun; the first, for what is told a moment too early. */
function pieceAt(pieces: readonly Piece[], at: number): Piece | undefined {
  return pieces.findLast(({ from }) => from <= at) ?? pieces[0];
}
