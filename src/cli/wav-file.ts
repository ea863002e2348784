// Reading a 16-bit PCM WAV file piece by piece: for the waveform, and for one channel alone.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { GrecError, messageOf } from '../errors.ts';

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

/**
 * Calls `onFrames` with one piece of the file after the other: interleaved 16-bit samples, little-endian as on disk.
 * The buffer is used again for the next piece.
 * @throws GrecError RECORDING_UNREADABLE
 */
export function readWav(
  file: string,
  onFormat: (format: WavFormat) => void,
  onFrames: (samples: Int16Array, format: WavFormat) => void,
): void {
  withFile(file, (fd) => {
    const { dataAt, ...format } = findData(fd);
    onFormat(format);
    readFrames(fd, dataAt, format, onFrames);
  });
}

/** What the header of the file says. @throws GrecError RECORDING_UNREADABLE */
export function wavFormat(file: string): WavFormat {
  return withFile(file, (fd) => {
    const { dataAt: _, ...format } = findData(fd);
    return format;
  });
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
  dataAt: number,
  format: WavFormat,
  onFrames: (samples: Int16Array, format: WavFormat) => void,
): void {
  const frameBytes = format.channels * 2;
  const samples = new Int16Array(CHUNK_FRAMES * format.channels);
  let at = dataAt;
  for (let left = format.frames; left > 0; ) {
    const wanted = Math.min(left, CHUNK_FRAMES) * frameBytes;
    const length = readSync(fd, samples, 0, wanted, at);
    const frames = Math.floor(length / frameBytes);
    if (frames === 0) throw new Error('the file ends early');
    onFrames(samples.subarray(0, frames * format.channels), format);
    at += frames * frameBytes;
    left -= frames;
  }
}

/** Walks the RIFF chunks up to `data`; a length that a crash left too long is cut to the file. */
function findData(fd: number): WavFormat & { dataAt: number } {
  const size = fstatSync(fd).size;
  const head = readBytes(fd, 0, 12);
  if (head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE')
    throw new Error('not a WAV file');
  let format: Omit<WavFormat, 'frames'> | undefined;
  for (let at = 12; at + 8 <= size; ) {
    const chunk = readBytes(fd, at, 8);
    const length = chunk.readUInt32LE(4);
    const name = chunk.toString('latin1', 0, 4);
    if (name === 'fmt ') format = readFormat(readBytes(fd, at + 8, 16));
    if (name === 'data') {
      if (format === undefined) break;
      const bytes = Math.min(length, size - at - 8);
      return { ...format, frames: Math.floor(bytes / (format.channels * 2)), dataAt: at + 8 };
    }
    at += 8 + length + (length % 2);
  }
  throw new Error('it has no audio data');
}

function readFormat(bytes: Buffer): Omit<WavFormat, 'frames'> {
  const [code, channels, bits] = [bytes.readUInt16LE(0), bytes.readUInt16LE(2), bytes.readUInt16LE(14)];
  if ((code !== PCM && code !== EXTENSIBLE) || bits !== 16 || channels < 1)
    throw new Error(`its format is not 16-bit PCM`);
  return { channels, sampleRate: bytes.readUInt32LE(4) };
}

function readBytes(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  if (readSync(fd, bytes, 0, length, at) < length) throw new Error('the file ends early');
  return bytes;
}
