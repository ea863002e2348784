// Sounds that are played into calls: WAV files (RIFF WAVE, Microsoft and IBM 1991) at the rate of G.711, with one channel.
import { readFileSync, statSync } from 'node:fs';
import { GrecError, messageOf } from './errors.ts';

const RATE = 8000;
const FORMAT_EXTENSIBLE = 0xfffe;
/** By format tag: PCM16, and both laws of G.711. */
const ENCODINGS: Record<number, { encoding: SoundFile['encoding']; bits: number }> = {
  1: { encoding: 'PCM16', bits: 16 },
  6: { encoding: 'PCMA', bits: 8 },
  7: { encoding: 'PCMU', bits: 8 },
};
/** What a writer that could not go back to the header leaves there. */
const UNKNOWN_LENGTH = 0xffffffff;
/** In seconds: a sound is held in memory, and handed to another process whole. */
const LONGEST_S = 300;
/** Room for what else may stand in such a file. */
const LARGEST_BYTES = LONGEST_S * RATE * 2 + (1 << 20);
const HINT = 'ffmpeg makes one that can be played: ffmpeg -i FILE -ar 8000 -ac 1 -c:a pcm_s16le SOUND.wav';

export interface SoundFile {
  /** PCM16 is little-endian. */
  encoding: 'PCM16' | 'PCMU' | 'PCMA';
  /** At 8 kHz. */
  bytes: Buffer;
}

/** Milliseconds. */
export function soundMs({ encoding, bytes }: SoundFile): number {
  return Math.round((bytes.length / (encoding === 'PCM16' ? 2 : 1) / RATE) * 1000);
}

/** @throws GrecError SOUND_UNUSABLE */
export function loadSound(file: string): SoundFile {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw new Error('it is no file');
    const { size } = stat;
    if (size > LARGEST_BYTES)
      throw new Error(`it has ${size} bytes, and a sound lasts ${LONGEST_S} s at most`);
    return readSound(readFileSync(file), file);
  } catch (thrown) {
    if (thrown instanceof GrecError) throw thrown;
    const message = `cannot read the sound ${file}: ${messageOf(thrown)}`;
    throw new GrecError('SOUND_UNUSABLE', message, { hint: HINT, cause: thrown });
  }
}

/**
 * The sound in the bytes of a WAV file.
 * @param name how messages call it
 * @throws GrecError SOUND_UNUSABLE
 */
export function readSound(bytes: Buffer, name: string): SoundFile {
  const read = readWav(bytes);
  if (typeof read !== 'string') return read;
  throw new GrecError('SOUND_UNUSABLE', `cannot play the sound ${name}: ${read}`, { hint: HINT });
}

/** @returns the sound, or why it is none, in words */
function readWav(bytes: Buffer): SoundFile | string {
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE')
    return 'it is no WAV file';
  let encoding: SoundFile['encoding'] | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const [id, size] = [bytes.toString('latin1', at, at + 4), bytes.readUInt32LE(at + 4)];
    const rest = bytes.length - at - 8;
    const isOpen = id === 'data' && (size === UNKNOWN_LENGTH || size === 0);
    if (!isOpen && size > rest) return `it breaks off in its part ${JSON.stringify(id)}`;
    const body = bytes.subarray(at + 8, isOpen ? bytes.length : at + 8 + size);
    if (id === 'fmt ') {
      const format = readFormat(body);
      if ('problem' in format) return format.problem;
      encoding = format.encoding;
    }
    if (id === 'data') return encoding === undefined ? 'its format is missing' : soundOf(encoding, body);
    at += 8 + size + (size & 1);
  }
  return 'it holds no audio';
}

function readFormat(body: Buffer): { encoding: SoundFile['encoding'] } | { problem: string } {
  if (body.length < 16) return { problem: 'its format is cut short' };
  const tag = body.readUInt16LE(0);
  // The sub-format begins with the tag that would stand in front otherwise.
  const isExtended = tag === FORMAT_EXTENSIBLE && body.length >= 40;
  const known = ENCODINGS[isExtended ? body.readUInt16LE(24) : tag];
  const [channels, rate, bits] = [body.readUInt16LE(2), body.readUInt32LE(4), body.readUInt16LE(14)];
  if (channels !== 1 || rate !== RATE)
    return { problem: `it has ${channels} channels at ${rate} Hz, and 1 at ${RATE} Hz can be played` };
  if (known?.bits === bits) return { encoding: known.encoding };
  return { problem: `it has format ${tag} with ${bits} bits, and PCM with 16 bits or G.711 can be played` };
}

function soundOf(encoding: SoundFile['encoding'], body: Buffer): SoundFile | string {
  const width = encoding === 'PCM16' ? 2 : 1;
  const samples = Math.floor(body.length / width);
  if (samples === 0) return 'it holds no audio';
  if (samples > LONGEST_S * RATE) return `it lasts more than ${LONGEST_S} s`;
  return { encoding, bytes: body.subarray(0, samples * width) };
}
