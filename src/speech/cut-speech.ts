// The speech of one channel cut out of a recording, for an engine: what is silent or masked never reaches one.
import { closeSync, openSync, writeSync } from 'node:fs';
import { readWav } from '../archive/wav-file.ts';
import { Resampler } from './resample.ts';
import { type Span, united, without } from './spans.ts';
import { type Piece, SPEECH_RATE, type SpeechFile } from './transcriber.ts';

/** Around what was found, for soft beginnings and ends. */
const AROUND_MS = 150;
/** Between two pieces, so that the words of one are not taken for the other's. */
const PAUSE_MS = 400;
const HEADER_BYTES = 44;

/**
 * What is to be given to an engine of a channel. @param end of the recording, in milliseconds
 * @param masked what must not be
 */
export function piecesOf(speech: readonly Span[], masked: readonly Span[], end: number): Piece[] {
  const wide = speech.map(({ from, to }) => ({
    from: Math.max(0, from - AROUND_MS),
    to: Math.min(end, to + AROUND_MS),
  }));
  let at = PAUSE_MS;
  return without(united(wide), masked).map(({ from, to }) => {
    const piece = { from: at, to: at + to - from, at: from };
    at = piece.to + PAUSE_MS;
    return piece;
  });
}

/**
 * Writes the pieces one after the other, readable by this user alone.
 * @throws GrecError RECORDING_UNREADABLE; Node's system errors
 */
export function cutSpeech(
  source: string,
  channel: number,
  pieces: readonly Piece[],
  target: string,
): SpeechFile {
  const fd = openSync(target, 'w', 0o600);
  try {
    writeSync(fd, Buffer.alloc(HEADER_BYTES));
    const cutter = new Cutter(fd, pieces);
    readWav(
      source,
      ({ sampleRate }) => cutter.begin(sampleRate),
      (samples, { channels }) => cutter.take(samples, channel, channels),
    );
    writeSync(fd, wavHeader(cutter.end()), 0, HEADER_BYTES, 0);
    return { wav: target, pieces };
  } finally {
    closeSync(fd);
  }
}

class Cutter {
  readonly #fd: number;
  readonly #pieces: readonly Piece[];
  #rate = SPEECH_RATE;
  #next = 0;
  #frame = 0;
  #written = 0;
  #resampler = new Resampler(SPEECH_RATE, SPEECH_RATE);

  constructor(fd: number, pieces: readonly Piece[]) {
    this.#fd = fd;
    this.#pieces = pieces;
  }

  begin(rate: number): void {
    this.#rate = rate;
    this.#resampler = new Resampler(rate, SPEECH_RATE);
  }

  /** What lies in pieces, of interleaved samples. */
  take(samples: Int16Array, channel: number, channels: number): void {
    const frames = samples.length / channels;
    for (let piece = this.#pieces[this.#next]; piece !== undefined; piece = this.#pieces[this.#next]) {
      const [first, last] = [this.#frameAt(piece.at), this.#frameAt(piece.at + piece.to - piece.from)];
      if (first >= this.#frame + frames) break;
      const [from, to] = [Math.max(0, first - this.#frame), Math.min(frames, last - this.#frame)];
      if (first >= this.#frame) this.#padTo(piece.from);
      this.#write(this.#resampler.take(pick(samples, { from, to, channel, channels })));
      if (last > this.#frame + frames) break;
      this.#next += 1;
    }
    this.#frame += frames;
  }

  #frameAt(ms: number): number {
    return Math.round((ms * this.#rate) / 1000);
  }

  #padTo(ms: number): void {
    this.#write(this.#resampler.flush());
    const missing = Math.round((ms * SPEECH_RATE) / 1000) - this.#written;
    if (missing > 0) this.#write(new Int16Array(missing));
  }

  #write(samples: Int16Array): void {
    writeSync(this.#fd, new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
    this.#written += samples.length;
  }

  /** @returns samples in all */
  end(): number {
    this.#padTo((this.#pieces.at(-1)?.to ?? 0) + PAUSE_MS);
    return this.#written;
  }
}

interface Picked extends Span {
  channel: number;
  channels: number;
}

function pick(samples: Int16Array, { from, to, channel, channels }: Picked): Int16Array {
  return Int16Array.from(
    { length: Math.max(0, to - from) },
    (_, at) => samples[(from + at) * channels + channel] ?? 0,
  );
}

function wavHeader(samples: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(HEADER_BYTES - 8 + samples * 2, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.set([16, 0, 0, 0, 1, 0, 1, 0], 16);
  header.writeUInt32LE(SPEECH_RATE, 24);
  header.writeUInt32LE(SPEECH_RATE * 2, 28);
  header.set([2, 0, 16, 0], 32);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(samples * 2, 40);
  return header;
}
