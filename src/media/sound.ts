// A sound as it is played: companded, in the law of whoever hears it (ITU-T G.711).
import { ALAW_TO_LINEAR, encodeAlaw, encodeMulaw, MULAW_TO_LINEAR } from '../rtp/g711.ts';
import type { SoundFile } from '../sound-file.ts';

export const LAWS = ['PCMU', 'PCMA'] as const;
export type Law = (typeof LAWS)[number];

/** Bytes, which are samples, of a millisecond. */
export const BYTES_PER_MS = 8;

export interface Sound {
  law: Law;
  /** One for each sample at 8 kHz. */
  bytes: Buffer;
}

/** What is written in the law already stays as it is. */
export function compand({ encoding, bytes }: SoundFile, law: Law): Sound {
  if (encoding === law) return { law, bytes };
  const encode = law === 'PCMU' ? encodeMulaw : encodeAlaw;
  const count = encoding === 'PCM16' ? bytes.length >> 1 : bytes.length;
  const table = encoding === 'PCMU' ? MULAW_TO_LINEAR : ALAW_TO_LINEAR;
  const companded = Buffer.allocUnsafeSlow(count);
  for (let at = 0; at < count; at += 1) {
    const linear = encoding === 'PCM16' ? bytes.readInt16LE(at * 2) : (table[bytes[at] ?? 0] ?? 0);
    companded[at] = encode(linear);
  }
  return { law, bytes: companded };
}
