// The calls of a capture, out of its SIP messages in the order of time (RFC 3261 sections 12 to 15). Pure, in bounded memory.
import { GrecError } from '../errors.ts';
import { isRequest, type SipMessage } from '../sip/message.ts';
import type { AnsweredCall, CapturedCall, Described, Side } from './call-facts.ts';
import { assertedParty, partyOf } from './captured-party.ts';
import { describedIn } from './description.ts';

/** Attempts that may still be answered; the oldest goes when there are more. */
const MOST_ATTEMPTS = 20_000;
const MOST_CALLS = 100_000;
const MOST_DESCRIPTIONS = 256;
const MOST_SESSION_IDS = 8;
const LONGEST_NAME = 512;
const NIL = /^0{32}$/;

export class CallBook {
  /** Set up, and not answered (yet). */
  readonly #attempts = new Map<string, CapturedCall>();
  readonly #answered = new Map<string, AnsweredCall>();
  #forgotten = 0;

  /** Calls that were answered, in the order in which they were. */
  get calls(): AnsweredCall[] {
    return [...this.#answered.values()];
  }

  /** Attempts that nobody answered, as far as the capture tells. */
  get unanswered(): number {
    return this.#forgotten + this.#attempts.size;
  }

  /** @throws GrecError CAPTURE_UNREADABLE when there are more calls than one import can hold */
  take(message: SipMessage, at: number): void {
    const call = this.#callOf(message) ?? this.#begin(message, at);
    if (call === undefined) return;
    call.lastAt = at;
    noteSessionIds(call, message);
    const isFromCaller = tagOf(message.headers.from) === call.tags.a;
    const sender: Side = isRequest(message) === isFromCaller ? 'a' : 'b';
    this.#describe(call, message, sender, at);
    if (isRequest(message)) takeRequest(call, message, sender, at);
    else this.#takeResponse(call, message, at);
  }

  #callOf({ headers }: SipMessage): CapturedCall | undefined {
    for (const tag of [tagOf(headers.from), tagOf(headers.to)]) {
      const name = nameOf(headers['call-id'], tag);
      const known = this.#answered.get(name) ?? this.#attempts.get(name);
      if (known !== undefined) return known;
    }
    return undefined;
  }

  /** An INVITE, or an answer to one that was sent before the capture began. */
  #begin({ headers }: SipMessage, at: number): CapturedCall | undefined {
    const { from, to, cseq, 'call-id': callId } = headers;
    const tag = tagOf(from);
    if (cseq.method !== 'INVITE' || tag === '' || callId.length + tag.length > LONGEST_NAME) return undefined;
    const call: CapturedCall = {
      callId,
      tags: { a: tag, b: tagOf(to) },
      parties: { a: partyOf(from), b: partyOf(to) },
      createdAt: at,
      lastAt: at,
      sessionIds: new Set(),
      described: [],
    };
    const [oldest] = this.#attempts.keys();
    if (oldest !== undefined && this.#attempts.size >= MOST_ATTEMPTS) {
      this.#attempts.delete(oldest);
      this.#forgotten += 1;
    }
    this.#attempts.set(nameOf(callId, tag), call);
    return call;
  }

  #describe(call: CapturedCall, message: SipMessage, side: Side, at: number): void {
    const found = message.body.length === 0 ? undefined : describedIn(message);
    if (found === undefined || call.described.length >= MOST_DESCRIPTIONS) return;
    const { from, to } = message.headers;
    const tag = tagOf(isRequest(message) ? from : to);
    const described: Described = { at, side, tag, ...found };
    const last = call.described.findLast((one) => one.side === side && one.tag === tag);
    if (last === undefined || !isSame(last, described)) call.described.push(described);
  }

  #takeResponse(call: CapturedCall, message: Extract<SipMessage, { status: number }>, at: number): void {
    const { status, headers } = message;
    const { method } = headers.cseq;
    const isToCaller = tagOf(headers.from) === call.tags.a;
    if (method === 'INVITE' && isToCaller && call.answeredAt === undefined) {
      if (status > 100 && status < 200) call.ringingAt ??= at;
      if (status >= 200 && status < 300) this.#answer(call, message, at);
    }
    // A BYE that has to be sent again with credentials has not ended anything.
    if (method === 'BYE' && (status === 401 || status === 407)) {
      delete call.releasedAt;
      delete call.releasedBy;
    }
  }

  #answer(call: CapturedCall, message: SipMessage, at: number): void {
    call.answeredAt = at;
    call.tags.b = tagOf(message.headers.to);
    call.parties.b = assertedParty(message) ?? call.parties.b;
    const name = nameOf(call.callId, call.tags.a);
    this.#attempts.delete(name);
    this.#answered.set(name, call as AnsweredCall);
    if (this.#answered.size <= MOST_CALLS) return;
    throw new GrecError('CAPTURE_UNREADABLE', `the captures hold more than ${MOST_CALLS} answered calls`, {
      hint: 'import them in parts: `editcap -i 3600 FILE PART.pcap` splits a capture by the hour',
    });
  }
}

function takeRequest(
  call: CapturedCall,
  message: Extract<SipMessage, { method: string }>,
  by: Side,
  at: number,
) {
  if (message.method === 'INVITE' && by === 'a') call.parties.a = assertedParty(message) ?? call.parties.a;
  if (message.method !== 'BYE' || call.answeredAt === undefined || call.releasedAt !== undefined) return;
  call.releasedAt = at;
  call.releasedBy = by;
}

function noteSessionIds(call: CapturedCall, { headers }: SipMessage): void {
  const header = headers['session-id'];
  if (typeof header !== 'string' || call.sessionIds.size >= MOST_SESSION_IDS) return;
  for (const [uuid] of header
    .slice(0, LONGEST_NAME)
    .toLowerCase()
    .matchAll(/\b[0-9a-f]{32}\b/g))
    if (!NIL.test(uuid)) call.sessionIds.add(uuid);
}

/** A refreshed session says the same again (RFC 4028). */
function isSame(one: Described, other: Described): boolean {
  const { at: _one, ...before } = one;
  const { at: _other, ...now } = other;
  return JSON.stringify(before) === JSON.stringify(now);
}

function tagOf({ params }: { params: Record<string, string | null> }): string {
  return params['tag'] ?? '';
}

/** Call-IDs have no line feed. */
function nameOf(callId: string, tag: string): string {
  return `${callId}\n${tag}`;
}
