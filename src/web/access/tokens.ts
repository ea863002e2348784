// API tokens (RFC 6750): 256 random bits, of which only the SHA-256 is kept.
import { createHash, randomBytes } from 'node:crypto';

const TOKEN_BYTES = 32;
/** Programs that look for secrets in files know one by its beginning. */
const TOKEN = /^grec_[\w-]{43}$/;

export function makeToken(): string {
  return `grec_${randomBytes(TOKEN_BYTES).toString('base64url')}`;
}

/** How it is kept; undefined when this cannot be one. */
export function hashToken(token: string): string | undefined {
  return TOKEN.test(token) ? createHash('sha256').update(token).digest('hex') : undefined;
}

/** By which it is named: of no use to whoever sees it. */
export function makeTokenId(): string {
  return randomBytes(6).toString('hex');
}
