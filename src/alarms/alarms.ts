// The alarms of one daemon: lines of its log that name one go to the operator's program and address.
import { join } from 'node:path';
import { v7 } from 'uuid';
import { type Config, type DaemonName, machineName } from '../config.ts';
import type { AlarmLine, Logger } from '../log.ts';
import { type Alarm, keyOf } from './alarm.ts';
import { Outbox } from './outbox.ts';
import { type Tell, tellCommand, tellWebhook } from './targets.ts';

/** The same alarm is told once in so many milliseconds, with how often it came. */
const SAME_MS = 60_000;
/** Alarms that are known to have been told lately. */
const MOST_KEYS = 1000;
const CLOSE_MS = 3000;

interface Lately {
  repeated: number;
  last: AlarmLine | undefined;
  timer: NodeJS.Timeout;
}

export class Alarms {
  readonly #daemon: DaemonName;
  readonly #sameMs: number;
  readonly #lately = new Map<string, Lately>();
  #outboxes: Outbox[] = [];

  constructor(daemon: DaemonName, sameMs = SAME_MS) {
    this.#daemon = daemon;
    this.#sameMs = sameMs;
  }

  /** Targets that are told. */
  get targets(): number {
    return this.#outboxes.length;
  }

  /** Alarms that wait for a target. */
  get waiting(): number {
    return this.#outboxes.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** From now on these are told; those of before take what waited for them. */
  async use({ alarms, paths }: Pick<Config, 'alarms' | 'paths'>, log: Logger): Promise<void> {
    const before = this.#outboxes;
    this.#outboxes = [];
    await Promise.all(before.map((outbox) => outbox.close(CLOSE_MS)));
    const { command, webhook } = alarms;
    const targets: [string, Tell | undefined][] = [
      ['command', command && tellCommand(command)],
      ['webhook', webhook === undefined ? undefined : tellWebhook(webhook, paths.alarmSecret)],
    ];
    this.#outboxes = targets.flatMap(([name, tell]) => {
      if (tell === undefined) return [];
      const directory = join(paths.alarms, this.#daemon, name);
      return [new Outbox({ directory, name, tell, log, retryForS: alarms['retry-for'] })];
    });
  }

  /** Takes a line of the log that names an alarm. Never throws. */
  take(line: AlarmLine): void {
    if (this.#outboxes.length === 0) return;
    const key = keyOf(line);
    const lately = this.#lately.get(key);
    if (lately !== undefined) {
      lately.repeated += 1;
      lately.last = line;
      return;
    }
    if (this.#lately.size < MOST_KEYS) this.#watch(key);
    this.#tell(line, 0);
  }

  #watch(key: string): void {
    const timer = setTimeout(() => this.#pass(key), this.#sameMs).unref();
    this.#lately.set(key, { repeated: 0, last: undefined, timer });
  }

  /** The minute is over: what came in it is told as one. */
  #pass(key: string): void {
    const lately = this.#lately.get(key);
    this.#lately.delete(key);
    if (lately?.last === undefined) return;
    this.#watch(key);
    this.#tell(lately.last, lately.repeated);
  }

  #tell({ alarm, severity, message, facts }: AlarmLine, repeated: number): void {
    const told: Alarm = {
      id: v7(),
      time: new Date().toISOString(),
      host: machineName(),
      daemon: this.#daemon,
      severity,
      alarm,
      message,
      facts,
      repeated,
    };
    for (const outbox of this.#outboxes) outbox.add(told);
  }

  async close(): Promise<void> {
    for (const { timer } of this.#lately.values()) clearTimeout(timer);
    for (const key of [...this.#lately.keys()]) this.#passAtEnd(key);
    await Promise.all(this.#outboxes.map((outbox) => outbox.close(CLOSE_MS)));
  }

  #passAtEnd(key: string): void {
    const lately = this.#lately.get(key);
    this.#lately.delete(key);
    if (lately?.last !== undefined) this.#tell(lately.last, lately.repeated);
  }
}
