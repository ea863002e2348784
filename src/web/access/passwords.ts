// Passwords of users: kept as scrypt (RFC 7914), with their parameters beside them so that these may grow.
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

const COST = { N: 32_768, r: 8, p: 1 };
const KEY_BYTES = 32;
const SALT_BYTES = 16;
/** scrypt takes 128 * N * r bytes; twice that is let. */
const MEMORY_FACTOR = 256;
const STORED = /^scrypt:(\d{4,7}):(\d{1,2}):(\d{1,2}):([\w-]+):([\w-]+)$/;

export const SHORTEST_PASSWORD = 12;
export const LONGEST_PASSWORD = 256;

/** `scrypt:N:r:p:SALT:KEY`, base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt, COST);
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join(':');
}

/** Of nobody: whoever asks for a user that is not there waits as long as others do. */
const NOBODY = `scrypt:${COST.N}:${COST.r}:${COST.p}:${'A'.repeat(22)}:${'A'.repeat(43)}`;

/** @param stored undefined: there is no such user, or they have none; it takes as long */
export async function isPassword(password: string, stored: string | undefined): Promise<boolean> {
  const [, N, r, p, salt = '', kept = ''] = STORED.exec(stored ?? NOBODY) ?? [];
  const expected = Buffer.from(kept, 'base64url');
  if (password.length > LONGEST_PASSWORD || expected.length !== KEY_BYTES) return false;
  const cost = { N: Number(N), r: Number(r), p: Number(p) };
  const key = await derive(password, Buffer.from(salt, 'base64url'), cost);
  return timingSafeEqual(key, expected) && stored !== undefined;
}

function derive(password: string, salt: Buffer, { N, r, p }: typeof COST): Promise<Buffer> {
  const options: ScryptOptions = { N, r, p, maxmem: MEMORY_FACTOR * N * r };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
