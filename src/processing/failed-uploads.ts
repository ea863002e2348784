// Copies that have failed for good, as `grec failed` lists them, and how one is tried again.
import { setTimeout as delay } from 'node:timers/promises';
import type { CatalogWriter } from '../catalog/catalog.ts';
import { failedUploads, retryUpload } from '../catalog/uploads.ts';
import { GrecError } from '../errors.ts';
import type { Failure, FailureSource, Retried } from './failures.ts';

const LOOK_MS = 100;
/** A long recording takes its time; whoever asks waits no longer. */
const PATIENCE_MS = 540_000;

export interface FailedUploadsOptions {
  catalog: CatalogWriter;
  /** Starts what is due. */
  round(): void;
  patienceMs?: number;
}

export class FailedUploads implements FailureSource {
  readonly kind = 'copy';
  readonly #options: FailedUploadsOptions;

  constructor(options: FailedUploadsOptions) {
    this.#options = options;
  }

  /** Each as `STORAGE:RECORDING`, with since when it was to be done; the last one first. */
  list(): Failure[] {
    return failedUploads(this.#options.catalog)
      .toReversed()
      .map(({ recording, storage, task, attempts, since, reason }) => ({
        kind: this.kind,
        id: `${storage}:${recording}`,
        at: new Date(since).toISOString(),
        reason: reason ?? '',
        isRetryable: true,
        details: { recording, storage, task, attempts },
      }));
  }

  /** Waits for the outcome of one attempt. @throws GrecError RECORDING_UNKNOWN */
  async retry(id: string): Promise<Retried> {
    const { catalog, round, patienceMs = PATIENCE_MS } = this.#options;
    const [, storage = '', recording = ''] = /^([^:]*):(.*)$/.exec(id) ?? [];
    if (retryUpload(catalog, recording, storage) === 0)
      throw new GrecError('RECORDING_UNKNOWN', `no copy ${JSON.stringify(id)} has failed`, {
        hint: '`grec failed` lists those that have',
      });
    round();
    for (const end = performance.now() + patienceMs; ; await delay(LOOK_MS)) {
      const row = catalog.uploads.of(recording).find((one) => one.storage === storage);
      const isOpen = row?.state === 'waiting' && row.attempts === 0;
      if (isOpen && performance.now() < end) continue;
      // Of one that was deleted nothing is left to be told.
      const { state, reason } = row ?? { state: 'done', reason: null };
      return { kind: this.kind, id, isDone: state === 'done', state, reason };
    }
  }
}
