// What a switch's journal says had to be recorded: call by call, in the order in which calls end. Values in, values out.
import type { JournalEvent } from './events.ts';

/** A call that is over and of which there has to be a recording, or several. */
export interface DueCall {
  call: string;
  from: string;
  to: string;
  /** Wall clock of its beginning and of its end, microseconds since 1970. */
  createdAt: number;
  releasedAt: number;
  /** Names of its recordings, as the switch has given them; none when recording never began. */
  recordings: string[];
  /** Why the switch says that recording failed. */
  failures: string[];
}

/** A call of which nothing says that it is over. */
interface OpenCall extends Omit<DueCall, 'releasedAt'> {
  isDue: boolean;
  isAnswered: boolean;
  lastAt: number;
}

export class DueRecordings {
  readonly #open = new Map<string, OpenCall>();
  #startedAt = Number.NEGATIVE_INFINITY;
  /** Calls that were answered and are over, recorded or not. */
  answered = 0;

  /** Takes in the next event of grec-sipd. @returns the call that is over with it, when it had to be recorded */
  take(event: JournalEvent): DueCall | undefined {
    if (event.type === 'daemon.started') this.#startedAt = event.at;
    if (!('call' in event) || event.call === undefined) return undefined;
    if (event.type === 'call.created') this.#open.set(event.call, begin(event.call, event.at, event));
    const call = this.#open.get(event.call);
    if (call === undefined) return undefined;
    call.lastAt = event.at;
    note(call, event);
    if (event.type !== 'call.released') return undefined;
    this.#open.delete(event.call);
    return this.#settle({ ...call, isAnswered: event.answered }, event.at);
  }

  /**
   * The journal is at its end: calls from before the switch was started last, of which it said nothing since, are over too, for it
   * has forgotten them.
   */
  *forgotten(): Generator<DueCall> {
    for (const [name, call] of this.#open) {
      if (call.lastAt >= this.#startedAt) continue;
      this.#open.delete(name);
      const due = this.#settle(call, this.#startedAt);
      if (due !== undefined) yield due;
    }
  }

  /** Calls that are up. */
  get up(): number {
    return this.#open.size;
  }

  #settle({ isDue, isAnswered, lastAt: _, ...call }: OpenCall, releasedAt: number): DueCall | undefined {
    if (isAnswered) this.answered += 1;
    // Of a call that nobody answered there is nothing to record.
    return isDue && isAnswered ? { ...call, releasedAt } : undefined;
  }
}

function begin(
  call: string,
  at: number,
  { from, to, dialled }: Extract<JournalEvent, { type: 'call.created' }>,
): OpenCall {
  const parties = { from: from.number, to: dialled ?? to.number };
  const nothing = { recordings: [], failures: [], isDue: false, isAnswered: false };
  return { call, ...parties, createdAt: at, lastAt: at, ...nothing };
}

function note(call: OpenCall, event: JournalEvent): void {
  if (event.type === 'call.answered') call.isAnswered = true;
  if (event.type === 'recording.decided' && event.record) call.isDue = true;
  if (event.type === 'recording.failed') call.failures.push(event.reason);
  const isOfRecording = event.type.startsWith('recording.') && 'recording' in event;
  if (!isOfRecording || event.recording === undefined) return;
  call.isDue = true;
  if (!call.recordings.includes(event.recording)) call.recordings.push(event.recording);
}
