// Recordings that failed for want of a decoder are made again when there is one: by themselves, each once for each ffmpeg.
import { createHash } from 'node:crypto';
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { FailedRow } from '../catalog/rows.ts';
import { messageOf } from '../errors.ts';
import { type Ffmpeg, findFfmpeg, forgetFfmpeg } from '../ffmpeg.ts';
import type { Logger } from '../log.ts';
import type { Retried } from './failures.ts';

/** How often it is looked for an ffmpeg that is not there, while something waits for it. */
const LOOK_MS = 30_000;
/** One that is there may be replaced by one that can do more. */
const LOOK_AGAIN_MS = 3_600_000;
const BATCH = 100;

export interface DecoderWatchOptions {
  catalog: CatalogWriter;
  log: Logger;
  retry(recording: string): Promise<Retried>;
  /** Whether its captures are there. */
  canRetry(row: FailedRow): boolean;
  /** `[export] ffmpeg`. */
  ffmpeg: string | undefined;
  lookMs?: number | undefined;
}

export class DecoderWatch {
  readonly #options: DecoderWatchOptions;
  #ffmpeg: string | undefined;
  /** When it was looked for last: of the monotonic clock, and of the wall clock; and when again. */
  #looked = { at: Number.NEGATIVE_INFINITY, wall: 0, waitMs: 0 };
  #work: Promise<void> | undefined;
  #isStopping = false;

  constructor(options: DecoderWatchOptions) {
    this.#options = options;
    this.#ffmpeg = options.ffmpeg;
  }

  /** Another one is configured, or the same was installed. */
  useFfmpeg(ffmpeg: string | undefined): void {
    this.#ffmpeg = ffmpeg;
    this.#looked = { at: Number.NEGATIVE_INFINITY, wall: 0, waitMs: 0 };
  }

  /** Begins to look whether something can be decoded now, when it is time to. Never throws. */
  look(): void {
    if (this.#work !== undefined || this.#isStopping || !this.#isDue()) return;
    this.#work = this.#look()
      .catch((thrown: unknown) => {
        this.#options.log.warn(`what could not be decoded is not tried again for now: ${messageOf(thrown)}`);
      })
      .finally(() => {
        this.#work = undefined;
      });
  }

  #isDue(): boolean {
    const { at, wall, waitMs } = this.#looked;
    const { lookMs = LOOK_MS, catalog } = this.#options;
    const passed = performance.now() - at;
    if (passed >= waitMs) return true;
    // What has failed since tells that there is something else than there was.
    const [last] = passed >= lookMs ? catalog.failed(1) : [];
    return last !== undefined && last.finishedAt > wall;
  }

  async idle(): Promise<void> {
    await this.#work;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#work;
  }

  async #look(): Promise<void> {
    const { catalog, log, lookMs = LOOK_MS } = this.#options;
    this.#looked = { at: performance.now(), wall: Date.now(), waitMs: lookMs };
    if (catalog.failures.untried('', 1).length === 0) return;
    forgetFfmpeg();
    const ffmpeg = await findFfmpeg(this.#ffmpeg);
    if ('problem' in ffmpeg) return;
    this.#looked.waitMs = Math.max(lookMs, LOOK_AGAIN_MS);
    const decoders = markOf(ffmpeg);
    for (;;) {
      const rows = catalog.failures.untried(decoders, BATCH);
      if (rows.length === 0) return;
      log.info(
        { recordings: rows.length, ffmpeg: ffmpeg.program },
        'there is an ffmpeg now: what it may decode is tried again',
      );
      for (const row of rows) await this.#try(row, ffmpeg, decoders);
      if (this.#isStopping) return;
    }
  }

  async #try(row: FailedRow, ffmpeg: Ffmpeg, decoders: string): Promise<void> {
    const { catalog, log, retry, canRetry } = this.#options;
    if (this.#isStopping) return;
    // First of all: one that ends this process is not tried for ever.
    catalog.failures.noteTried(row.id, decoders);
    if (!canHelp(row, ffmpeg) || !canRetry(row)) return;
    try {
      const { isDone, state, reason } = await retry(row.id);
      log.info(
        { recording: row.id, state, reason },
        isDone ? 'it could be made after all' : 'it failed again',
      );
    } catch (thrown) {
      log.warn({ recording: row.id }, `it could not be tried again: ${messageOf(thrown)}`);
    }
  }
}

/** What can decode: another version of it that can do the same is the same. */
function markOf({ program, decoders }: Ffmpeg): string {
  const hash = createHash('sha256')
    .update([...decoders].sort().join())
    .digest('hex');
  return `${program} ${hash.slice(0, 16)}`;
}

const LACKING = /lacks the decoder (\S+(?: or \S+)*)/g;

/** Whether it has one of the decoders that were missed, where the reason names them. */
function canHelp({ reason }: FailedRow, { decoders }: Ffmpeg): boolean {
  const lacking = [...(reason ?? '').matchAll(LACKING)];
  const has = ([, names = '']: RegExpMatchArray) =>
    names.split(' or ').some((name) => decoders.has(name.replace(/[;,]$/, '')));
  return lacking.length === 0 || lacking.some(has);
}
