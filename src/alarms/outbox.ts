// Alarms that one target has not taken yet: files, so that a restart forgets none, told in order and tried again.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, systemCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Alarm } from './alarm.ts';
import type { Tell } from './targets.ts';

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 600_000;
/** With a target that takes none for days the first alarms matter most. */
const MOST_WAITING = 1000;

export interface OutboxOptions {
  /** Of this target alone. */
  directory: string;
  /** What the log calls it. */
  name: string;
  tell: Tell;
  log: Logger;
  /** Seconds after which an alarm is given up. */
  retryForS: number;
  firstRetryMs?: number;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #waiting: Alarm[];
  #work: Promise<void> | undefined;
  #isClosed = false;
  #wake: () => void = () => undefined;
  #refused = 0;
  /** The disk takes none: told once. */
  #isUnkept = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#waiting = this.#readKept();
    if (this.#waiting.length > 0) this.#start();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Never throws. */
  add(alarm: Alarm): void {
    if (this.#waiting.length >= MOST_WAITING) {
      this.#refused += 1;
      return;
    }
    this.#waiting.push(alarm);
    this.#keep(alarm);
    this.#start();
  }

  /** Tries once more what waits, for no longer than that; what is left then is told after the next start. */
  async close(limitMs: number): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    await Promise.race([this.#work, limit]);
    clearTimeout(timer);
  }

  #start(): void {
    this.#work ??= this.#tellAll().finally(() => {
      this.#work = undefined;
      if (this.#waiting.length > 0 && !this.#isClosed) this.#start();
    });
  }

  async #tellAll(): Promise<void> {
    let failures = 0;
    for (let alarm = this.#waiting[0]; alarm !== undefined; alarm = this.#waiting[0]) {
      const problem = await this.#options.tell(alarm).then(() => undefined, messageOf);
      if (problem === undefined) failures = this.#told(alarm, failures);
      else if (this.#isTooOld(alarm)) this.#giveUp(alarm, problem);
      else {
        failures += 1;
        if (failures === 1) this.#complain(problem);
        if (this.#isClosed) return;
        await this.#pause(failures);
      }
    }
  }

  /** @returns how many attempts have failed in a row: none */
  #told(alarm: Alarm, failures: number): number {
    this.#forget(alarm);
    const { log, name } = this.#options;
    if (failures > 0)
      log.info({ target: name, refused: this.#refused || undefined }, 'alarms are told again');
    if (failures > 0) this.#refused = 0;
    return 0;
  }

  #isTooOld({ time }: Alarm): boolean {
    return Date.now() - Date.parse(time) > this.#options.retryForS * 1000;
  }

  #giveUp(alarm: Alarm, problem: string): void {
    this.#forget(alarm);
    const { log, name } = this.#options;
    log.warn({ target: name, id: alarm.id, raised: alarm.alarm }, `an alarm was told to nobody: ${problem}`);
  }

  #complain(problem: string): void {
    const { log, name } = this.#options;
    log.warn(
      { target: name, waiting: this.#waiting.length },
      `an alarm is not taken, and is told again: ${problem}`,
    );
  }

  #pause(failures: number): Promise<void> {
    const { firstRetryMs = FIRST_RETRY_MS } = this.#options;
    const ms = Math.min(firstRetryMs * 2 ** (failures - 1), LONGEST_RETRY_MS);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Without its file it is told all the same: the disk may be what the alarm is about. */
  #keep(alarm: Alarm): void {
    try {
      mkdirSync(this.#options.directory, { recursive: true, mode: 0o750 });
      writeFileSync(this.#fileOf(alarm), JSON.stringify(alarm), { mode: 0o640 });
      this.#isUnkept = false;
    } catch (thrown) {
      if (!this.#isUnkept) this.#options.log.warn(`alarms cannot be kept for later: ${messageOf(thrown)}`);
      this.#isUnkept = true;
    }
  }

  #forget(alarm: Alarm): void {
    this.#waiting.shift();
    try {
      rmSync(this.#fileOf(alarm), { force: true });
    } catch (thrown) {
      if (!this.#isUnkept)
        this.#options.log.warn(`an alarm that was told is told again after a restart: ${messageOf(thrown)}`);
    }
  }

  #fileOf({ id }: Alarm): string {
    return join(this.#options.directory, `${id}.json`);
  }

  /** In the order of their ids, which is that of time. */
  #readKept(): Alarm[] {
    const { directory } = this.#options;
    try {
      const names = readdirSync(directory).filter((name) => /^[0-9a-f-]{36}\.json$/.test(name));
      return names
        .sort()
        .slice(0, MOST_WAITING)
        .flatMap((name) => readAlarm(join(directory, name)));
    } catch (thrown) {
      if (systemCode(thrown) !== 'ENOENT')
        this.#options.log.warn(`alarms that waited cannot be read: ${messageOf(thrown)}`);
      return [];
    }
  }
}

/** One that a crash cut off is nothing. */
function readAlarm(file: string): Alarm[] {
  try {
    const alarm = JSON.parse(readFileSync(file, 'utf8')) as Partial<Alarm>;
    if (typeof alarm.id === 'string' && file.endsWith(`${alarm.id}.json`) && typeof alarm.time === 'string')
      return [alarm as Alarm];
  } catch {
    // Removed below.
  }
  rmSync(file, { force: true });
  return [];
}
