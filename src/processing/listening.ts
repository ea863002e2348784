// Who listens to what: finds the call that is asked for, notes every access in the journal, and gives the stream.
import { EventEmitter, once } from 'node:events';
import { recordingIdOf } from '../archive/ids.ts';
import type { Note } from '../audit/by-daemon.ts';
import { UNKNOWN } from '../caller.ts';
import type { Config } from '../config.ts';
import { ControlBytes, type ControlRequest } from '../control.ts';
import { GrecError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { partOfId } from '../spool/call-events.ts';
import { type Journal, openJournal } from '../spool/journal.ts';
import type { SpoolKeys } from '../spool/sealed-capture.ts';
import type { RecordingMetadata } from '../spool/segment.ts';

import type { Journals } from './journals.ts';
import { type LiveSegment, listen } from './listen.ts';
import type { PendingCall } from './situation.ts';
import type { Spools } from './spools.ts';

const MOST_LISTENERS = 32;
const LONGEST_NAME = 64;

export interface ListenersOptions {
  config: Config;
  log: Logger;
  spool: Spools;
  journals: Journals;
  now(): number;
  note: Note;
}

/** The listeners of a processor, with a journal of their own. @throws GrecError STATE_UNUSABLE */
export function openListeners(options: ListenersOptions): Listeners {
  const { config, log, spool, journals, now, note } = options;
  return new Listeners({
    segments: () =>
      spool.entries().flatMap(({ id, captureFile, facts }) => (facts ? [{ id, captureFile, facts }] : [])),
    calls: () => journals.calls(),
    journal: openJournal({ directory: config.paths.journal, daemon: 'grec-procd', log }),
    flushUs: config.mediad['flush-interval'] * 1000,
    spoolKeys: spool.keys,
    now,
    note,
  });
}

export interface ListeningContext {
  /** All segments in the spool. */
  segments(): LiveSegment[];
  /** The calls that are not settled, as the journals tell them. */
  calls(): PendingCall[];
  journal: Journal;
  spoolKeys?: SpoolKeys | undefined;
  flushUs: number;
  now(): number;
  /** Into the audit log. */
  note: Note;
}

/** What can be listened to: a recording that is being made. */
interface LiveCall {
  recording: string | undefined;
  call: string | undefined;
  /** Only of a call without a switch of ours. */
  segment: string;
  metadata: RecordingMetadata | undefined;
}

export class Listeners {
  readonly #context: ListeningContext;
  readonly #stopping = new AbortController();
  readonly #ended = new EventEmitter();
  #count = 0;

  constructor(context: ListeningContext) {
    this.#context = context;
  }

  get count(): number {
    return this.#count;
  }

  /** Ends all streams; resolves when their ends are in the journal, and it is closed. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    while (this.#count > 0) await once(this.#ended, 'ended');
    await this.#context.journal.close();
  }

  /**
   * The stream of a call: `:call` is a part of its id, or a number that is in it; `by` says who listens.
   * @throws GrecError CALL_UNKNOWN, CALL_AMBIGUOUS, RECORDING_STATE, AUDIT_UNWRITABLE
   */
  async open({ params, query, by: caller }: ControlRequest): Promise<ControlBytes> {
    const found = this.#find(params['call'] ?? '');
    const by = (query.get('by') ?? '').slice(0, LONGEST_NAME) || 'unknown';
    if (this.#count >= MOST_LISTENERS)
      throw new GrecError('RECORDING_STATE', `${MOST_LISTENERS} are listening already`, {
        hint: 'one of them has to end first',
      });
    const recording = found.recording === undefined ? {} : { recording: recordingIdOf(found.recording) };
    const details = { call: found.call ?? found.segment };
    await this.#context.note(caller ?? { ...UNKNOWN, user: by }, { what: 'listen', ...recording, details });
    return new ControlBytes('audio/wav', (signal) => this.#stream(found, by, signal));
  }

  async *#stream(live: LiveCall, by: string, signal: AbortSignal): AsyncGenerator<Buffer> {
    const { journal, now, flushUs, spoolKeys } = this.#context;
    const { call = live.segment, recording } = live;
    const about = { call, ...(recording === undefined ? {} : { recording }), by };
    const since = now();
    this.#count += 1;
    // Before the first sample is given away.
    journal.append({ type: 'listening.started', ...about });
    try {
      yield* listen({
        segments: () => this.#context.segments().filter((segment) => isOf(segment, live)),
        isOver: () => this.#isOver(live),
        flushUs,
        spoolKeys,
        now,
        signal: AbortSignal.any([signal, this.#stopping.signal]),
      });
    } finally {
      this.#count -= 1;
      journal.append({ type: 'listening.ended', ...about, seconds: Math.round((now() - since) / 1e6) });
      this.#ended.emit('ended');
    }
  }

  #find(asked: string): LiveCall {
    const live = this.#liveCalls().filter((one) => isMeant(one, asked));
    const [found, other] = live;
    if (found === undefined) {
      throw new GrecError('CALL_UNKNOWN', `no call that is being recorded is ${JSON.stringify(asked)}`, {
        hint: '`grec calls` shows the calls and what is recorded of them',
      });
    }
    if (other === undefined) return found;
    throw new GrecError('CALL_AMBIGUOUS', `${JSON.stringify(asked)} fits ${live.length} calls`, {
      hint: 'name one of them by its id: `grec calls` shows them',
    });
  }

  /** One for each recording, by its newest segment: a transfer may have changed the parties. */
  #liveCalls(): LiveCall[] {
    const live = new Map<string, LiveCall>();
    for (const { id, facts } of this.#context.segments()) {
      const { metadata, imported } = facts.opened;
      if (imported !== undefined) continue;
      const found = { recording: metadata?.recording, call: metadata?.call, segment: id, metadata };
      live.set(metadata?.recording ?? id, found);
    }
    return [...live.values()].filter((one) => !this.#isOver(one));
  }

  /** The call is over when its switch says so; without one, when its media is. A recording that was stopped is over too. */
  #isOver(live: LiveCall): boolean {
    const isOpen = this.#context
      .segments()
      .some((segment) => isOf(segment, live) && segment.facts.closed === undefined);
    if (isOpen) return false;
    const known = this.#context.calls().find(({ id }) => id === live.call);
    if (known === undefined || !known.events.some(({ daemon }) => daemon === 'grec-sipd')) return true;
    return known.events.some((event) => {
      if (event.type === 'call.released') return true;
      return event.type === 'recording.stopped' && event.recording === live.recording;
    });
  }
}

function isOf({ id, facts }: LiveSegment, { recording, segment }: LiveCall): boolean {
  return recording === undefined ? id === segment : facts.opened.metadata?.recording === recording;
}

function isMeant({ call = '', recording = '', segment, metadata }: LiveCall, asked: string): boolean {
  const numbers = (metadata?.parties ?? []).flatMap(({ number, dn, agentId }) => [number, dn, agentId]);
  if (numbers.includes(asked)) return true;
  const part = partOfId(asked);
  if (part === undefined) return false;
  return [call, recording, segment].some((id) => id.toLowerCase().replaceAll('-', '').includes(part));
}
