// RIFF WAVE from its fields: what a test says stands in the header, also where that is no WAV that can be played.
import { encodeMulaw } from '../rtp/g711.ts';

export interface WavFields {
  /** 1 PCM, 6 A-law, 7 mu-law. */
  format?: number;
  channels?: number;
  rate?: number;
  bits?: number;
  /** What the header says of the data; its true length when left out. */
  stated?: number;
  data: Buffer;
}

export function buildWav({
  format = 1,
  channels = 1,
  rate = 8000,
  bits = 16,
  stated,
  data,
}: WavFields): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + data.length, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(format, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE((rate * channels * bits) / 8, 28);
  header.writeUInt16LE((channels * bits) / 8, 32);
  header.writeUInt16LE(bits, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(stated ?? data.length, 40);
  return Buffer.concat([header, data]);
}

/** A rising tone as PCM16 that mu-law renders exactly, and its companded bytes; nowhere like itself. */
export function chirp(samples: number): { pcm: Buffer; mulaw: Buffer } {
  const mulaw = Buffer.from(
    Array.from({ length: samples }, (_, at) =>
      encodeMulaw(Math.round(9000 * Math.sin(at * (0.05 + at / 40_000)))),
    ),
  );
  const pcm = Buffer.alloc(samples * 2);
  for (const [at, byte] of mulaw.entries()) pcm.writeInt16LE(linearOf(byte), at * 2);
  return { pcm, mulaw };
}

function linearOf(byte: number): number {
  const bits = ~byte & 0xff;
  const magnitude = ((((bits & 0x0f) << 3) + 132) << ((bits >> 4) & 7)) - 132;
  return (bits & 0x80) === 0 ? magnitude : -magnitude;
}
