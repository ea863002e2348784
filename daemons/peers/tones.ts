// Tones that phones speak, and how much of a recorded channel is one of them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const RATE_HZ = 8000;
const SECONDS = 20;
const AMPLITUDE = 12_000;

export interface Tones {
  /** A mono WAV of 20 s, 16 bit, 8 kHz. @returns its path */
  write(name: string, hz: number): string;
  remove(): void;
}

/** A directory of tones. */
export function newTones(): Tones {
  const directory = mkdtempSync(join(tmpdir(), 'grec-tones-'));
  return {
    write: (name, hz) => {
      const file = join(directory, `${name}.wav`);
      writeFileSync(file, tone(hz));
      return file;
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function tone(hz: number): Buffer {
  const samples = Int16Array.from(
    { length: SECONDS * RATE_HZ },
    (_, at) => AMPLITUDE * Math.sin((2 * Math.PI * hz * at) / RATE_HZ),
  );
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.byteLength, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(RATE_HZ, 24);
  head.writeUInt32LE(RATE_HZ * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([head, Buffer.from(samples.buffer)]);
}

/** The share of a channel's power that is at one frequency (Goertzel), 0 to 1. */
export function shareOf(hz: number, channel: Int16Array): number {
  const turn = (2 * Math.PI * hz) / RATE_HZ;
  let real = 0;
  let imaginary = 0;
  let power = 0;
  for (const [at, sample] of channel.entries()) {
    real += sample * Math.cos(turn * at);
    imaginary += sample * Math.sin(turn * at);
    power += sample * sample;
  }
  return power === 0 ? 0 : (2 * (real * real + imaginary * imaginary)) / (channel.length * power);
}

/** How many milliseconds of a channel are that tone, in blocks of 20 ms. */
export function millisecondsOf(hz: number, channel: Int16Array): number {
  const block = RATE_HZ / 50;
  let blocks = 0;
  for (let at = 0; at + block <= channel.length; at += block)
    if (shareOf(hz, channel.subarray(at, at + block)) > 0.5) blocks += 1;
  return blocks * 20;
}
