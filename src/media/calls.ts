// The calls of the media server by their Call-ID, and what each ng request does to them.
import { randomUUID } from 'node:crypto';
import { GrecError } from '../errors.ts';
import type { NgReply } from '../ng/reply.ts';
import type { NgDelete, NgOffer, NgRequest } from '../ng/request.ts';
import { Branches } from './branches.ts';
import { Call, type CallContext, type Tell } from './call.ts';
import { secondsNow } from './call-party.ts';
import type { EndReason } from './call-recording.ts';
import { describeCall } from './query.ts';
import { describeStatistics } from './statistics.ts';

/** By this the switch sees that the media server was started again and knows none of its calls. */
const INSTANCE = randomUUID();

/** The answer to a ping. */
export const PONG: NgReply = { result: 'pong', instance: INSTANCE };

const SWEEP_MS = 30_000;
/** Calls in a list for which no other number is asked. */
const MOST_LISTED = 32;
/** A call without a packet or a request for so long has lost its controller: its ports go back, in seconds. */
const LONGEST_SILENCE_S = 3600;

export interface Calls {
  readonly size: number;
  readonly recording: number;
  /** One ng request; `tell` tells its controller something later, unasked. @throws GrecError, which becomes an error reply */
  handle(request: NgRequest, tell?: Tell): Promise<NgReply>;
  /** Ends every call. */
  close(reason: EndReason): Promise<void>;
}

export function createCalls(context: CallContext): Calls {
  return new CallTable(context);
}

class CallTable implements Calls {
  readonly #context: CallContext;
  readonly #calls = new Map<string, Call>();
  readonly #branches = new Branches();
  readonly #deletions = new Map<Call, NodeJS.Timeout>();
  readonly #counts = { managed: 0, rejected: 0 };
  readonly #sweep: NodeJS.Timeout;

  constructor(context: CallContext) {
    this.#context = context;
    this.#sweep = setInterval(() => this.#endSilentCalls(), SWEEP_MS).unref();
  }

  get size(): number {
    return this.#calls.size;
  }

  get recording(): number {
    let count = 0;
    for (const call of this.#calls.values()) if (call.recording !== undefined) count += 1;
    return count;
  }

  async handle(request: NgRequest, tell: Tell = () => {}): Promise<NgReply> {
    if (request.command === 'ping') return PONG;
    if (request.command === 'offer') return this.#offer(request, tell);
    if (request.command === 'delete') return this.#delete(request);
    if (request.command === 'list') return { result: 'ok', calls: this.#list(request.limit) };
    if (request.command === 'statistics') return this.#describe();
    const call = this.#calls.get(request['call-id']);
    if (call === undefined) return { result: 'error', 'error-reason': 'Unknown call-id' };
    if (request.command !== 'query') call.lastSignal = secondsNow();
    return call.inTurn(async () => {
      switch (request.command) {
        case 'answer':
          return call.answer(request, tell);
        case 'start recording':
          return call.startRecording(request.metadata);
        case 'stop recording':
          await call.stopRecording('stopped');
          return { result: 'ok' };
        case 'pause recording':
          await call.pauseRecording();
          return { result: 'ok' };
        case 'block media':
        case 'unblock media':
          await call.blockMedia(request.command === 'block media', request['from-tag']);
          return { result: 'ok' };
        case 'block DTMF':
        case 'unblock DTMF':
          await call.blockDtmf(request.command === 'block DTMF', request['from-tag']);
          return { result: 'ok' };
        case 'play media':
          return call.playMedia(request);
        case 'stop media':
          await call.stopMedia(request);
          return { result: 'ok' };
        case 'query':
          await call.refresh();
          return describeCall(call);
      }
    });
  }

  #list(limit = MOST_LISTED): string[] {
    return [...this.#calls.keys()].slice(0, limit);
  }

  async #describe(): Promise<NgReply> {
    await this.#context.engine.refresh();
    const counts = { open: this.size, recording: this.recording, ...this.#counts };
    return describeStatistics(counts, this.#context.engine.counters);
  }

  async #offer(request: NgOffer, tell: Tell): Promise<NgReply> {
    try {
      return await this.#take(request, tell);
    } catch (thrown) {
      this.#counts.rejected += 1;
      const isFull = thrown instanceof GrecError && thrown.code === 'PORTS_EXHAUSTED';
      if (isFull && request.supports?.includes('load limit'))
        return { result: 'load limit', message: thrown.message };
      throw thrown;
    }
  }

  async #take(request: NgOffer, tell: Tell): Promise<NgReply> {
    const id = request['call-id'];
    const known = this.#calls.get(id);
    const call = known ?? new Call(id, this.#context, (lost, reason) => this.#lose(lost, reason));
    if (known === undefined) this.#counts.managed += 1;
    this.#calls.set(id, call);
    this.#branches.note(id, request['via-branch']);
    this.#keep(call);
    call.lastSignal = secondsNow();
    return call.inTurn(async () => {
      if (this.#calls.get(id) !== call) throw new GrecError('NG_REFUSED', 'the call was deleted');
      try {
        return await call.offer(request, tell);
      } catch (thrown) {
        // A first offer that fails leaves nothing behind.
        if (call.parties.every(({ description }) => description === undefined))
          await this.#end(call, 'deleted');
        throw thrown;
      }
    });
  }

  async #delete(request: NgDelete): Promise<NgReply> {
    const call = this.#calls.get(request['call-id']);
    const isMeant = call !== undefined && namesParty(call, request);
    if (!isMeant) {
      const reason = 'Call-ID not found or tags did not match';
      if (request.flags?.includes('fatal') === true) return { result: 'error', 'error-reason': reason };
      return { result: 'ok', warning: reason };
    }
    if (this.#branches.leave(call.id, request['via-branch'])) return { result: 'ok' };
    const delayS = Math.min(request['delete-delay'] ?? 0, LONGEST_SILENCE_S);
    if (delayS > 0) return this.#deleteLater(call, delayS);
    this.#forget(call);
    // Out of the table at once: whatever else of the call is under way comes to its end, and nothing new begins.
    this.#calls.delete(call.id);
    return call.inTurn(async () => {
      const { parties, recording } = call;
      // What its legs were last is told when they are closed.
      await call.close('deleted');
      return describeCall(call, parties, recording !== undefined);
    });
  }

  /** Its media goes on for a while, as its controller wishes, but it is over: its recording ends now. */
  #deleteLater(call: Call, delayS: number): Promise<NgReply> {
    this.#keep(call);
    const timer = setTimeout(() => {
      this.#forget(call);
      this.#calls.delete(call.id);
      void call.inTurn(() => call.close('deleted'));
    }, delayS * 1000).unref();
    this.#deletions.set(call, timer);
    return call.inTurn(async () => {
      await call.stopRecording('deleted');
      await call.refresh();
      return describeCall(call);
    });
  }

  /** A call that was to be deleted stays: it is heard of again. */
  #keep(call: Call): void {
    clearTimeout(this.#deletions.get(call));
    this.#deletions.delete(call);
  }

  #forget(call: Call): void {
    this.#keep(call);
    this.#branches.forget(call.id);
  }

  async #end(call: Call, reason: EndReason): Promise<void> {
    this.#forget(call);
    this.#calls.delete(call.id);
    await call.close(reason);
  }

  /** A relay worker is gone: its calls are unknown from now on, and whoever controls them is told. */
  #lose(call: Call, reason: string): void {
    const isKnown = this.#calls.get(call.id) === call;
    if (isKnown) this.#forget(call);
    if (isKnown) this.#calls.delete(call.id);
    if (isKnown) call.tellLost(reason);
    void call.inTurn(() => call.close('recovered'));
  }

  #endSilentCalls(): void {
    for (const call of [...this.#calls.values()]) if (isSilent(call)) void this.#endIfSilent(call);
  }

  /** What was known of its packets may be old. */
  async #endIfSilent(call: Call): Promise<void> {
    await call.refresh();
    if (!isSilent(call) || this.#calls.get(call.id) !== call) return;
    this.#context.log.warn({ ngCall: call.id }, 'call ended: nothing was heard of it for an hour');
    this.#forget(call);
    this.#calls.delete(call.id);
    await call.inTurn(() => call.close('deleted'));
  }

  async close(reason: EndReason): Promise<void> {
    clearInterval(this.#sweep);
    const calls = [...this.#calls.values()];
    for (const call of calls) this.#forget(call);
    this.#calls.clear();
    await Promise.all(calls.map((call) => call.inTurn(() => call.close(reason))));
  }
}

function isSilent(call: Call): boolean {
  return call.lastSign() <= secondsNow() - LONGEST_SILENCE_S;
}

/** A delete may name either tag, both or none. */
function namesParty(call: Call, request: NgDelete): boolean {
  const tags = call.parties.map(({ tag }) => tag);
  const named = [request['from-tag'], request['to-tag']].filter((tag) => tag !== undefined && tag !== '');
  return named.length === 0 || named.some((tag) => tag !== undefined && tags.includes(tag));
}
