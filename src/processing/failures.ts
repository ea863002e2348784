// What could not be done and can be tried again, of whatever kind it is: listed and retried over the control socket.
import { audited, type Note } from '../audit/by-daemon.ts';
import { type Caller, UNKNOWN } from '../caller.ts';
import type { ControlRequest, ControlRoutes } from '../control.ts';
import { GrecError } from '../errors.ts';

/** One thing that could not be done. */
export interface Failure {
  kind: string;
  /** Unique within its kind. */
  id: string;
  /** When it failed, ISO 8601. */
  at: string;
  reason: string;
  /** Whether to try it again can help. */
  isRetryable: boolean;
  /** Why it cannot, or what has to be done first. */
  advice?: string;
  /** Whatever else its kind tells. */
  details: Record<string, unknown>;
}

/** What has come of trying it again. */
export interface Retried {
  kind: string;
  id: string;
  isDone: boolean;
  /** What it is now, or why it failed again. */
  state: string;
  reason: string | null;
}

/** Failures of one kind. */
export interface FailureSource {
  readonly kind: string;
  /** The last one first. */
  list(): Failure[];
  /** @throws GrecError when it cannot be tried, or not now */
  retry(id: string): Promise<Retried>;
}

export interface FailuresOptions {
  sources: readonly FailureSource[];
  /** Into the audit log. */
  note: Note;
}

export class Failures {
  readonly #options: FailuresOptions;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: FailuresOptions) {
    this.#options = options;
  }

  get routes(): ControlRoutes {
    return {
      'GET /failures': () => this.list(),
      'POST /failures/:kind/:id': ({ params, by = UNKNOWN }: ControlRequest) =>
        this.retry(params['kind'] ?? '', params['id'] ?? '', by),
    };
  }

  /** The last one first. */
  list(): Failure[] {
    const all = this.#options.sources.flatMap((source) => source.list());
    return all.toSorted((one, other) => (one.at < other.at ? 1 : -1));
  }

  /** One at a time. @throws GrecError USAGE, RECORDING_UNKNOWN, RECORDING_STATE, and what the kind's own retry throws */
  retry(kind: string, id: string, by: Caller): Promise<Retried> {
    const done = this.#turn.then(() => this.#retry(kind, id, by));
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #retry(kind: string, id: string, by: Caller): Promise<Retried> {
    const source = this.#options.sources.find((one) => one.kind === kind);
    if (source === undefined) {
      const kinds = this.#options.sources.map((one) => one.kind).join(', ');
      throw new GrecError('USAGE', `no failures are of the kind ${JSON.stringify(kind)}`, {
        hint: `kinds: ${kinds}`,
      });
    }
    const entry = { what: 'retry', ...(kind === 'recording' && { recording: id }), details: { kind, id } };
    return await audited(this.#options.note, by, { ...entry, what: 'retry' }, () => source.retry(id));
  }

  /** Resolves when nothing is under way. */
  async stop(): Promise<void> {
    await this.#turn;
  }
}
