// Session-ID (RFC 7989): one conversation keeps one identifier, on every leg and across switches.
import { randomBytes } from 'node:crypto';

const NIL = '0'.repeat(32);
const UUID = /^[0-9a-f]{32}$/;

/** The conversation's identifier from a Session-ID header (32 hexadecimal digits), or a new one. */
export function sessionIdOf(header: unknown): string {
  const local = typeof header === 'string' ? (header.split(';')[0] ?? '').trim().toLowerCase() : '';
  if (UUID.test(local) && local !== NIL) return local;
  return randomBytes(16).toString('hex');
}

/** The header's value. The conversation is named by the same identifier on both sides, so `remote` says nothing more. */
export function sessionIdHeader(sessionId: string): string {
  return `${sessionId};remote=${NIL}`;
}
