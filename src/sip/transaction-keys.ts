// What makes a message belong to a transaction: branch, sent-by and method (RFC 3261 sections 17.1.3 and 17.2.3).
import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import type { SipRequest, SipResponse, Via } from './message.ts';
import { randomHex } from './random-hex.ts';

/** What a branch of RFC 3261 begins with; without it the sender speaks RFC 2543. */
const MAGIC_COOKIE = 'z9hG4bK';
const DEFAULT_PORTS: Record<string, number> = { TLS: 5061 };

/** A branch that no other transaction has, anywhere: 128 random bits. */
export function newBranch(): string {
  return MAGIC_COOKIE + randomHex(16);
}

/** A tag for From or To: 64 random bits (RFC 3261 section 19.3 asks for 32). */
export function newTag(): string {
  return randomHex(8);
}

export function newCallId(): string {
  return randomHex(16);
}

// A key object: from bytes one is made anew for each message, which takes five times as long.
const secret = createSecretKey(randomBytes(16));

/** The To tag of an answer given without state: the same for each retransmission (RFC 3261 section 8.2.7). */
export function statelessTag(request: SipRequest): string {
  const { 'call-id': callId, cseq, from, via } = request.headers;
  const known = [callId, cseq.seq, from.params['tag'], via[0]?.params['branch']].join('\n');
  return createHmac('sha256', secret).update(known).digest('hex').slice(0, 16);
}

const LONGEST_FLAT = 512;
const scratch = Buffer.alloc(LONGEST_FLAT);

/**
 * The same text in memory of its own. What is cut out of a message keeps the whole of its head, and what is put together keeps its
 * parts: too much for a name that is kept for half a minute.
 */
function flat(text: string): string {
  if (text.length > LONGEST_FLAT) return text;
  const copy = scratch.toString('latin1', 0, scratch.write(text, 'latin1'));
  return copy === text ? copy : text;
}

/** The key of the client transaction that a request of ours opens, or that a response belongs to. */
export function clientKey(message: SipRequest | SipResponse): string | undefined {
  const branch = message.headers.via[0]?.params['branch'];
  return branch ? flat(`${branch} ${message.headers.cseq.method}`) : undefined;
}

/**
 * The key of the server transaction that a request belongs to: an ACK belongs to its INVITE.
 * Undefined when the branch is not one of RFC 3261: such a request cannot be told from others for sure.
 */
export function serverKey(request: SipRequest, method = request.method): string | undefined {
  const via = request.headers.via[0];
  const branch = via?.params['branch'];
  if (via === undefined || !branch || !hasCookie(branch)) return undefined;
  return flat(`${branch} ${sentBy(via)} ${method === 'ACK' ? 'INVITE' : method}`);
}

function hasCookie(branch: string): boolean {
  return branch.startsWith(MAGIC_COOKIE) || branch.toLowerCase().startsWith(MAGIC_COOKIE.toLowerCase());
}

function sentBy(via: Via): string {
  return `${via.host.toLowerCase()}:${via.port ?? DEFAULT_PORTS[via.protocol] ?? 5060}`;
}

/** What two requests share that reached us by different ways but are one (RFC 3261 section 8.2.2.2). */
export function mergeKey(request: SipRequest): string {
  const { 'call-id': callId, cseq, from } = request.headers;
  return flat(`${callId}\n${cseq.seq} ${cseq.method}\n${from.params['tag'] ?? ''}`);
}

/** The name of a dialog as we see it (RFC 3261 section 12). */
export function dialogKey(callId: string, localTag: string, remoteTag: string): string {
  return flat(`${callId}\n${localTag}\n${remoteTag}`);
}
