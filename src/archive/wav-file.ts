// Reading a WAV file of 16-bit PCM or G.711 piece by piece: for the waveform, and for one channel alone.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { GrecError, messageOf } from '../errors.ts';
import { ALAW_TO_LINEAR, MULAW_TO_LINEAR } from '../rtp/g711.ts';

export interface WavFormat {
  /** Hz. */
  sampleRate: number;
  channels: number;
  /** Samples of each channel. */
  frames: number;
}

const CHUNK_FRAMES = 1 << 16;
const PCM = 1;
const EXTENSIBLE = 0xfffe;
/** The samples of one byte each, by the code of the format. */
const TABLES: Record<number, Int16Array | undefined> = { 6: ALAW_TO_LINEAR, 7: MULAW_TO_LINEAR };

/** Where the samples are in the file, and how they are to be read. */
interface WavData extends WavFormat {
  dataAt: number;
  /** Undefined for PCM. */
  table: Int16Array | undefined;
}

/**
 * Calls `onFrames` with one piece of the file after the other: interleaved 16-bit samples.
 * The buffer is used again for the next piece.
 * @throws GrecError RECORDING_UNREADABLE
 */
export function readWav(
  file: string,
  onFormat: (format: WavFormat) => void,
  onFrames: (samples: Int16Array, format: WavFormat) => void,
): void {
  withFile(file, (fd) => {
    const data = findData(fd);
    onFormat(formatOf(data));
    readFrames(fd, data, onFrames);
  });
}

/** What the header of the file says. @throws GrecError RECORDING_UNREADABLE */
export function wavFormat(file: string): WavFormat {
  return withFile(file, (fd) => {
    return formatOf(findData(fd));
  });
}

function formatOf({ sampleRate, channels, frames }: WavData): WavFormat {
  return { sampleRate, channels, frames };
}

function withFile<T>(file: string, read: (fd: number) => T): T {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    return read(fd);
  } catch (thrown) {
    throw new GrecError('RECORDING_UNREADABLE', `cannot read ${file}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function readFrames(
  fd: number,
  data: WavData,
  onFrames: (samples: Int16Array, format: WavFormat) => void,
): void {
  const { table, channels } = data;
  const frameBytes = channels * (table === undefined ? 2 : 1);
  const samples = new Int16Array(CHUNK_FRAMES * channels);
  const bytes = table === undefined ? samples : new Uint8Array(CHUNK_FRAMES * channels);
  let at = data.dataAt;
  for (let left = data.frames; left > 0; ) {
    const wanted = Math.min(left, CHUNK_FRAMES) * frameBytes;
    const length = readSync(fd, bytes, 0, wanted, at);
    const frames = Math.floor(length / frameBytes);
    if (frames === 0) throw new Error('the file ends early');
    const count = frames * channels;
    if (table !== undefined)
      for (let index = 0; index < count; index += 1) samples[index] = table[bytes[index] ?? 0] ?? 0;
    onFrames(samples.subarray(0, count), formatOf(data));
    at += frames * frameBytes;
    left -= frames;
  }
}

/** Walks the RIFF chunks up to `data`; a length that a crash left too long is cut to the file. */
function findData(fd: number): WavData {
  const size = fstatSync(fd).size;
  const head = readBytes(fd, 0, 12);
  if (head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE')
    throw new Error('not a WAV file');
  let format: Omit<WavData, 'frames' | 'dataAt'> | undefined;
  for (let at = 12; at + 8 <= size; ) {
    const chunk = readBytes(fd, at, 8);
    const length = chunk.readUInt32LE(4);
    const name = chunk.toString('latin1', 0, 4);
    if (name === 'fmt ') format = readFormat(readBytes(fd, at + 8, 16));
    if (name === 'data') {
      if (format === undefined) break;
      const bytes = Math.min(length, size - at - 8);
      const frameBytes = format.channels * (format.table === undefined ? 2 : 1);
      return { ...format, frames: Math.floor(bytes / frameBytes), dataAt: at + 8 };
    }
    at += 8 + length + (length % 2);
  }
  throw new Error('it has no audio data');
}

function readFormat(bytes: Buffer): Omit<WavData, 'frames' | 'dataAt'> {
  const [code, channels, bits] = [bytes.readUInt16LE(0), bytes.readUInt16LE(2), bytes.readUInt16LE(14)];
  const table = TABLES[code];
  const isPcm = (code === PCM || code === EXTENSIBLE) && bits === 16;
  if (channels < 1 || !(isPcm || (table !== undefined && bits === 8)))
    throw new Error('its format is neither 16-bit PCM nor G.711');
  return { channels, sampleRate: bytes.readUInt32LE(4), table };
}

function readBytes(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  if (readSync(fd, bytes, 0, length, at) < length) throw new Error('the file ends early');
  return bytes;
}
