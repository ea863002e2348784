// One relay worker as the media server sees it: a child process that takes commands, and that may be gone at any instant.
import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ERROR_CODES, GrecError } from '../../errors.ts';
import type { Answers, Command, EngineName, Order, Report, WorkerSettings } from './worker-protocol.ts';

/** Of the same kind as this file: a checkout runs the sources. */
const PROGRAM = fileURLToPath(new URL(`./relay-worker${extname(import.meta.url)}`, import.meta.url));
/** Of V8: a worker keeps little, and allocates nothing for packets. */
const FLAGS = ['--max-semi-space-size=1', '--heap-growing-percent=50', '--no-warnings'];

export interface WorkerEvents {
  /** If it ends now, it is because of this one. */
  onTrying(engine: EngineName): void;
  onReady(engine: EngineName, reason: string): void;
  /** Told by the worker itself before it ends: no engine works. */
  onUnusable(message: string, hint: string | undefined): void;
  onTrouble(tap: number, reason: string | undefined): void;
  onCode(leg: number, code: string): void;
  /** It has ended, with all that it had. */
  onGone(reason: string): void;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: GrecError): void;
}

export class WorkerProcess {
  readonly startedAt = performance.now();
  /** Why it is gone. */
  lost: string | undefined;
  readonly #child: ChildProcess;
  readonly #events: WorkerEvents;
  readonly #pending = new Map<number, Pending>();
  #orders: Order[] = [];
  /** Those that it knows. */
  readonly #sounds = new WeakMap<object, number>();
  #serial = 0;

  constructor(settings: WorkerSettings, events: WorkerEvents) {
    this.#events = events;
    // It needs nothing of the environment, and gets nothing of what may be secret in it.
    this.#child = fork(PROGRAM, [], {
      env: {},
      execArgv: FLAGS,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (reports: Report[]) => {
      for (const report of reports) this.#hear(report);
    });
    this.#child.once('exit', (status, signal) => this.#end(ended(status, signal)));
    this.#child.once('error', (error) => this.#end(error.message));
    this.#child.send(settings, () => undefined);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** What it calls this sound, and whether it has yet to be told it. */
  numberOf(sound: object): { number: number; isNew: boolean } {
    const known = this.#sounds.get(sound);
    if (known !== undefined) return { number: known, isNew: false };
    this.#serial += 1;
    this.#sounds.set(sound, this.#serial);
    return { number: this.#serial, isNew: true };
  }

  /** Tells it something that wants no answer. */
  post(command: Command): void {
    this.#give(command);
  }

  /** @throws GrecError WORKER_LOST, or what the worker threw */
  ask<Name extends keyof Answers>(command: Command & { do: Name }): Promise<Answers[Name]> {
    if (this.lost !== undefined) return Promise.reject(this.#gone());
    const id = ++this.#serial;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: (value) => resolve(value as Answers[Name]), reject });
      this.#give({ ...command, id });
    });
  }

  /** Ends it; what it still had is lost. */
  async stop(): Promise<void> {
    if (this.lost !== undefined) return;
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.disconnect();
    await gone;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Everything that is given in one turn goes in one message. */
  #give(order: Order): void {
    if (this.lost !== undefined || this.#orders.push(order) > 1) return;
    queueMicrotask(() => {
      const orders = this.#orders;
      this.#orders = [];
      // That it has ended is told by its end.
      if (this.#child.connected) this.#child.send(orders, () => undefined);
    });
  }

  #hear(report: Report): void {
    switch (report.tell) {
      case 'answer':
        return this.#take(report.id)?.resolve(report.value);
      case 'refusal': {
        const code = ERROR_CODES.find((known) => known === report.code) ?? 'INTERNAL';
        const hint = report.hint === undefined ? {} : { hint: report.hint };
        return this.#take(report.id)?.reject(new GrecError(code, report.message, hint));
      }
      case 'trying':
        return this.#events.onTrying(report.engine);
      case 'ready':
        return this.#events.onReady(report.engine, report.reason);
      case 'unusable':
        return this.#events.onUnusable(report.message, report.hint);
      case 'trouble':
        return this.#events.onTrouble(report.tap, report.reason);
      case 'code':
        return this.#events.onCode(report.leg, report.code);
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #end(reason: string): void {
    if (this.lost !== undefined) return;
    this.lost = reason;
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(this.#gone());
    this.#events.onGone(reason);
  }

  #gone(): GrecError {
    return new GrecError('WORKER_LOST', `the relay worker ${this.pid} is gone: ${this.lost}`);
  }
}

function ended(status: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `it ended with ${status}` : `it was ended by ${signal}`;
}
