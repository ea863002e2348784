// Hashes of what tests put.
import { createHash } from 'node:crypto';

/** In lower-case hex. */
export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
