// A WAV file with fewer channels than another one: one of them alone, or several mixed.
import { closeSync, openSync, writeSync } from 'node:fs';
import { readWav } from '../archive/wav-file.ts';

/** 16-bit PCM without anything else. */
function wavHeader(sampleRate: number, frames: number, channels: number): Buffer {
  const frameBytes = channels * 2;
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + frames * frameBytes, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * frameBytes, 28);
  header.writeUInt16LE(frameBytes, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(frames * frameBytes, 40);
  return header;
}

/** Writes one channel of a WAV file as a mono WAV file. @throws GrecError RECORDING_UNREADABLE */
export function writeChannel(audio: string, file: string, channel: number): void {
  writeMixed(audio, file, 1, (input) => (input === channel ? 0 : undefined), channel + 1);
}

/** Writes the two sides of a WAV file, each the sum of its channels. @throws GrecError RECORDING_UNREADABLE */
export function writeSides(audio: string, file: string, sides: readonly (0 | 1)[]): void {
  writeMixed(audio, file, 2, (input) => sides[input], sides.length);
}

function writeMixed(
  audio: string,
  file: string,
  count: number,
  outputOf: (input: number) => number | undefined,
  least: number,
): void {
  const fd = openSync(file, 'wx', 0o600);
  try {
    readWav(
      audio,
      ({ sampleRate, frames, channels }) => {
        if (channels < least) throw new Error(`it has ${channels} channel${channels === 1 ? '' : 's'}`);
        writeSync(fd, wavHeader(sampleRate, frames, count));
      },
      (samples, { channels }) => {
        const mixed = new Int32Array((samples.length / channels) * count);
        for (const [at, sample] of samples.entries()) {
          const output = outputOf(at % channels);
          const index = Math.floor(at / channels) * count + (output ?? 0);
          if (output !== undefined) mixed[index] = (mixed[index] ?? 0) + sample;
        }
        writeSync(
          fd,
          Int16Array.from(mixed, (sum) => Math.max(-32_768, Math.min(32_767, sum))),
        );
      },
    );
  } finally {
    closeSync(fd);
  }
}
