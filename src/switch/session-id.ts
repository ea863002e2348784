// Session-ID (RFC 7989): one conversation keeps one identifier, on every leg and across switches.
//
// It is the caller's UUID, as its INVITE carries it or as it is made here. Each party is told the other's UUID and its own;
// a called party is told that of the conversation, whoever has been transferred meanwhile, so that the next switch knows
// the conversation by the same identifier. When one conversation becomes part of another, by a transfer, the header names
// that one in a parameter of ours too (`conversation`, a generic-param of section 5): the UUIDs alone do not always tell.
import type { SipMessage } from '../sip/message.ts';
import { randomHex } from '../sip/random-hex.ts';

const NIL = '0'.repeat(32);
const UUID = /^[0-9a-f]{32}$/;

/** A UUID as Session-ID writes it: 32 hexadecimal digits. */
export function newUuid(): string {
  return randomHex(16);
}

/** The conversation's identifier from a Session-ID header (32 hexadecimal digits), or a new one. */
export function sessionIdOf(header: unknown): string {
  return localUuid(header) ?? newUuid();
}

/** The UUID of who sent a message; undefined when it does not say. */
export function uuidOf({ headers }: SipMessage): string | undefined {
  return localUuid(headers['session-id']);
}

function localUuid(header: unknown): string | undefined {
  const local = typeof header === 'string' ? (header.split(';', 1)[0] ?? '').trim().toLowerCase() : '';
  return UUID.test(local) && local !== NIL ? local : undefined;
}

/** What a Session-ID says. */
export interface SaidSession {
  /** The UUID of who says it. */
  local: string;
  /** The UUID by which it knows who it speaks with. */
  remote: string | undefined;
  /** The conversation that both are in now, when the dialog began in another one. */
  conversation: string | undefined;
}

/** Reads a message's Session-ID; undefined when there is none, or it names nobody. */
export function saidSession({ headers }: SipMessage): SaidSession | undefined {
  const header = headers['session-id'];
  const local = localUuid(header);
  if (local === undefined || typeof header !== 'string') return undefined;
  const params = header.split(';').slice(1);
  const named = (name: string) => {
    const found = params.find((param) => param.split('=', 1)[0]?.trim().toLowerCase() === name);
    return localUuid(found?.slice(found.indexOf('=') + 1));
  };
  return { local, remote: named('remote'), conversation: named('conversation') };
}

/** The header's value: who sends it, and who gets it; `conversation` for a dialog that has begun in another one. */
export function sessionIdHeader(local: string, remote: string = NIL, conversation?: string): string {
  return `${local};remote=${remote}${conversation === undefined ? '' : `;conversation=${conversation}`}`;
}
