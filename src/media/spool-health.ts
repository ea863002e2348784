// How the disk of the spool is: its free space, watched so that an alarm comes before it runs out, and what it has refused.
import { statfs } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';

const LOOK_MS = 5000;
/** Space that comes and goes around the limit is one alarm, not many. */
const ENOUGH_AGAIN = 1.1;

export interface SpoolSpace {
  freeBytes: number;
  totalBytes: number;
}

export interface SpoolHealthOptions {
  spool: string;
  /** An alarm is raised when less is free; 0 for none. */
  minFreeBytes: number;
  log: Logger;
  lookMs?: number;
  /** Measures the disk. */
  look?: (spool: string) => Promise<SpoolSpace>;
}

export class SpoolHealth {
  /** Recordings of which the disk takes nothing at the moment. */
  readonly refused = new Set<object>();
  /** Since the start: packets that never reached a capture, and recordings that never had a segment. */
  lostPackets = 0;
  lostRecordings = 0;
  readonly #options: SpoolHealthOptions;
  readonly #timer: NodeJS.Timeout;
  #space: SpoolSpace = { freeBytes: 0, totalBytes: 0 };
  #isLow = false;
  #problem: string | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: SpoolHealthOptions) {
    this.#options = options;
    void this.look();
    this.#timer = setInterval(() => void this.look(), options.lookMs ?? LOOK_MS).unref();
  }

  /** For `grec status`. Asking a disk may block, so it is as of the last look. */
  get state() {
    return {
      ...this.#space,
      minFreeBytes: this.#options.minFreeBytes,
      isLow: this.#isLow,
      problem: this.#problem,
      refused: this.refused.size,
      lostPackets: this.lostPackets,
      lostRecordings: this.lostRecordings,
    };
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Measures it now. A disk that does not answer is asked once. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#measure().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #measure(): Promise<void> {
    const { spool, look = measureDisk } = this.#options;
    try {
      this.#space = await look(spool);
      this.#problem = undefined;
    } catch (thrown) {
      this.#space = { ...this.#space, freeBytes: 0 };
      this.#tellProblem(messageOf(thrown));
      return;
    }
    this.#tellSpace(this.#space.freeBytes);
  }

  #tellProblem(problem: string): void {
    const isNew = this.#problem !== problem;
    this.#problem = problem;
    if (isNew)
      this.#options.log.error(
        { alarm: 'spool-unusable', hint: 'mount it again, or give it back to the user that runs grec' },
        `the disk of the spool cannot be looked at: ${problem}`,
      );
  }

  #tellSpace(freeBytes: number): void {
    const { minFreeBytes, log, spool } = this.#options;
    const was = this.#isLow;
    this.#isLow = freeBytes < (was ? minFreeBytes * ENOUGH_AGAIN : minFreeBytes);
    if (this.#isLow === was) return;
    const facts = { spool, freeBytes, minFreeBytes };
    const hint = 'free space on the disk of the spool, and see why grec-procd does not empty it';
    if (this.#isLow)
      log.error({ alarm: 'spool-space', hint, ...facts }, 'the disk of the spool is nearly full');
    else log.warn(facts, 'the disk of the spool has room again');
  }
}

async function measureDisk(spool: string): Promise<SpoolSpace> {
  const { bavail, blocks, bsize } = await statfs(spool);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
