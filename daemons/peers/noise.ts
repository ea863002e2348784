// Sound that is nowhere like itself, so that a sample out of place cannot hide.
import { createHash } from 'node:crypto';

/** One second of companded audio, or several; the same for the same seed. */
export function noise(seed: string, seconds = 1): Buffer {
  const bytes = Buffer.alloc(seconds * 8000);
  for (let at = 0; at < bytes.length; at += 32)
    createHash('sha256').update(`${seed}${at}`).digest().copy(bytes, at);
  return bytes;
}
