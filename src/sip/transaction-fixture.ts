// A clock that is wound by hand, a channel that records, and literal messages: for the tests of the state machines.
import type { Channel } from './channel.ts';
import { decodeMessage } from './decode.ts';
import { isRequest, type SipRequest, type SipResponse } from './message.ts';
import type { Timer } from './timer-queue.ts';
import type { Clock } from './timers.ts';
import type { Flow, Peer } from './user-agent-types.ts';

/** RFC 3261 table 4. */
export const TIMERS = { t1: 500, t2: 4000, t4: 5000 };

export class ManualClock implements Clock {
  now = 0;
  readonly #timers = new Set<{ at: number; run: () => void }>();

  after(milliseconds: number, run: () => void): Timer {
    const timer = { at: this.now + milliseconds, run };
    this.#timers.add(timer);
    return { revoke: () => void this.#timers.delete(timer) };
  }

  get pending(): number {
    return this.#timers.size;
  }

  advance(milliseconds: number): void {
    const until = this.now + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.now = due.at;
      due.run();
    }
    this.now = until;
  }
}

export const LOCAL: Peer = { protocol: 'udp', address: '192.0.2.1', port: 5060 };
export const REMOTE: Peer = { protocol: 'udp', address: '192.0.2.2', port: 5060 };
export const FLOW: Flow = { peer: REMOTE, local: LOCAL, id: 'udp:test' };

/** Keeps what is sent, with the time at which it was; fails on demand. */
export class RecordingChannel implements Channel {
  readonly reliable: boolean;
  readonly local = LOCAL;
  readonly peer = REMOTE;
  readonly sent: { at: number; text: string }[] = [];
  readonly #clock: ManualClock;
  #onError: ((reason: string) => void) | undefined;

  constructor(clock: ManualClock, reliable: boolean) {
    this.#clock = clock;
    this.reliable = reliable;
  }

  send(bytes: Buffer, onError: (reason: string) => void): void {
    this.sent.push({ at: this.#clock.now, text: bytes.toString('latin1') });
    this.#onError = onError;
  }

  /** The last send fails. */
  fail(): void {
    this.#onError?.('ECONNREFUSED');
  }

  get times(): number[] {
    return this.sent.map(({ at }) => at);
  }

  get starts(): string[] {
    return this.sent.map(({ text }) => text.slice(0, text.indexOf('\r\n')));
  }
}

/** A message from lines of text; CRLF and the empty line are added. */
export function message(text: string, body = ''): Buffer {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.trim());
  return Buffer.from(`${lines.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}

export function request(text: string, body?: string): SipRequest {
  const result = decodeMessage(message(text, body));
  if (!result.ok || !isRequest(result.message)) throw new Error(`not a request: ${JSON.stringify(result)}`);
  return result.message;
}

export function response(text: string, body?: string): SipResponse {
  const result = decodeMessage(message(text, body));
  if (!result.ok || isRequest(result.message)) throw new Error(`not a response: ${JSON.stringify(result)}`);
  return result.message;
}

export const INVITE = `
  INVITE sip:bob@biloxi.example.com SIP/2.0
  Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9
  Max-Forwards: 70
  From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl
  To: Bob <sip:bob@biloxi.example.com>
  Call-ID: 3848276298220188511@atlanta.example.com
  CSeq: 1 INVITE
  Contact: <sip:alice@client.atlanta.example.com>`;

/** INVITE with lines or parts of them replaced. */
export function inviteWith(...replacements: [string, string][]): string {
  return replacements.reduce((text, [from, to]) => text.replaceAll(from, to), INVITE);
}

/** Any request of Alice's, by method, with a branch of its own unless one is given. */
export function requestText(method: string, branch = `z9hG4bK-${method}`, seq = 1): string {
  return inviteWith(['INVITE', method], ['z9hG4bK74bf9', branch], [`CSeq: 1 `, `CSeq: ${seq} `]);
}

/** A response as text, for the request with this top Via. */
export function responseText(status: string, via: string, method = 'INVITE', toTag = '8321234356'): string {
  return `
    SIP/2.0 ${status}
    Via: ${via}
    From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl
    To: Bob <sip:bob@biloxi.example.com>;tag=${toTag}
    Call-ID: 3848276298220188511@atlanta.example.com
    CSeq: 1 ${method}
    Contact: <sip:bob@192.0.2.2>`;
}
