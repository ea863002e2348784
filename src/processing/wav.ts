// WAV: the headers of files of PCM16 and of G.711 (RIFF WAVE, Microsoft and IBM 1991). Samples follow, little-endian, interleaved.

export const WAV_HEADER_BYTES = 44;
const BYTES_PER_SAMPLE = 2;
const FORMAT_PCM = 1;
/** RIFF counts bytes with 32 bits. */
const LARGEST_DATA_BYTES = 0xffffffff - WAV_HEADER_BYTES;

/**
 * The 44 bytes before the samples.
 * @param frames samples of each channel; see {@link longestWav}
 */
export function wavHeader(frames: number, channels: number, sampleRate: number): Buffer {
  const frameBytes = channels * BYTES_PER_SAMPLE;
  const dataBytes = frames * frameBytes;
  const header = Buffer.alloc(WAV_HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(WAV_HEADER_BYTES - 8 + dataBytes, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(FORMAT_PCM, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * frameBytes, 28);
  header.writeUInt16LE(frameBytes, 32);
  header.writeUInt16LE(8 * BYTES_PER_SAMPLE, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(dataBytes, 40);
  return header;
}

/** Samples of each channel that one WAV file can hold: 37 hours of two channels at 8 kHz. */
export function longestWav(channels: number): number {
  return Math.floor(LARGEST_DATA_BYTES / (channels * BYTES_PER_SAMPLE));
}

export type Law = 'PCMU' | 'PCMA';
/** What is not PCM has a longer format chunk, and one that tells the number of samples. */
export const G711_HEADER_BYTES = 58;
const G711_FORMATS: Record<Law, number> = { PCMA: 6, PCMU: 7 };

/** The 58 bytes before the companded samples; an odd number of these is followed by one byte. */
export function g711Header(law: Law, frames: number, channels: number, sampleRate: number): Buffer {
  const dataBytes = frames * channels;
  const header = Buffer.alloc(G711_HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(G711_HEADER_BYTES - 8 + dataBytes + (dataBytes % 2), 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(18, 16);
  header.writeUInt16LE(G711_FORMATS[law], 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * channels, 28);
  header.writeUInt16LE(channels, 32);
  header.writeUInt16LE(8, 34);
  header.write('fact', 38, 'latin1');
  header.writeUInt32LE(4, 42);
  header.writeUInt32LE(frames, 46);
  header.write('data', 50, 'latin1');
  header.writeUInt32LE(dataBytes, 54);
  return header;
}
