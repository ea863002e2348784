// What runs under `grec demo`: the daemons, their log file, limits on every wait, and an end that leaves nothing behind.
import { appendFileSync } from 'node:fs';
import type { DaemonName } from '../config.ts';
import { GrecError } from '../errors.ts';
import type { JournalEvent } from '../spool/events.ts';
import { createJournalReader } from '../spool/journal-reader.ts';
import type { CliContext } from './context.ts';
import { type DaemonsRunning, describeEnd, startDaemons } from './daemons-runner.ts';
import type { DemoState } from './demo-state.ts';
import { logPrinter } from './log-lines.ts';

const POLL_MS = 25;
/** A launcher and a terminal may both deliver one Ctrl-C; only a later one is a second one. */
const SAME_CTRL_C_MS = 500;
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const LOG_LINES_SHOWN = 12;

/** Raised when a signal asks for the end. */
export class Interrupted extends Error {}

/** The daemons of a demonstration while they run. Every wait ends early when one of them dies or a signal comes. */
export class DemoRun {
  readonly state: DemoState;
  readonly #daemons: DaemonsRunning;
  readonly #failed: Promise<never>;
  readonly #showLine: (name: DaemonName, line: string) => void;
  readonly #lastLines: [name: DaemonName, line: string][] = [];
  readonly #journals: Record<'grec-sipd' | 'grec-mediad', JournalFollower>;
  #interrupt: (error: Interrupted) => void = () => undefined;
  #interruptedAt: number | undefined;

  constructor(context: CliContext, state: DemoState, verbose: boolean) {
    this.state = state;
    this.#showLine = logPrinter(context, 'readable');
    this.#daemons = startDaemons({
      daemonsDirectory: context.daemonsDirectory,
      configFile: state.configFile,
      onLine: (name, line) => {
        appendFileSync(state.logFile, line.startsWith('{') ? `${line}\n` : `${name}: ${line}\n`);
        if (line !== '') this.#lastLines.push([name, line]);
        if (this.#lastLines.length > LOG_LINES_SHOWN) this.#lastLines.shift();
        if (verbose) this.#showLine(name, line);
      },
    });
    const died = this.#daemons.died.then((end) => {
      throw new GrecError('DEMO_FAILED', `${describeEnd(end)} in the middle of the demonstration`);
    });
    const interrupted = new Promise<never>((_, reject) => {
      this.#interrupt = reject;
    });
    this.#failed = Promise.race([died, interrupted]);
    this.#failed.catch(() => undefined);
    const { journal } = state.config.paths;
    this.#journals = {
      'grec-sipd': new JournalFollower(journal, 'grec-sipd'),
      'grec-mediad': new JournalFollower(journal, 'grec-mediad'),
    };
    for (const signal of STOP_SIGNALS) process.on(signal, this.#onSignal);
  }

  get ready(): Promise<void> {
    return Promise.race([this.#daemons.ready, this.#failed]);
  }

  /** @throws GrecError DEMO_FAILED when `promise` does not settle within `limitMs` */
  async within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new GrecError('DEMO_FAILED', `${what}: nothing within ${limitMs / 1000} s`));
      }, limitMs);
    });
    try {
      return await Promise.race([promise, limit, this.#failed]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks again and again until `look` gives a value. */
  async until<T>(limitMs: number, what: string, look: () => T | undefined): Promise<T> {
    let isOver = false;
    const found = async (): Promise<T> => {
      for (;;) {
        const value = look();
        if (value !== undefined || isOver) return value as T;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    };
    try {
      return await this.within(limitMs, what, found());
    } finally {
      isOver = true;
    }
  }

  /** The first event of this type, and of this call when it tells one, in the journal of a daemon. */
  event<T extends JournalEvent['type']>(
    daemon: 'grec-sipd' | 'grec-mediad',
    type: T,
    limitMs = 10_000,
  ): Promise<Extract<JournalEvent, { type: T }>> {
    return this.until(limitMs, `waiting for ${type} of ${daemon}`, () => this.#journals[daemon].find(type));
  }

  /** Stops the daemons; they finish what is under way. @returns what went wrong with it, in words */
  async stop(): Promise<string[]> {
    const ends = await this.#daemons.stop();
    for (const signal of STOP_SIGNALS) process.off(signal, this.#onSignal);
    return ends.filter(({ code }) => code !== 0).map(describeEnd);
  }

  /** Shows the last lines that the daemons wrote, on standard error. */
  showLastLines(): void {
    for (const [name, line] of this.#lastLines) this.#showLine(name, line);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (this.#interruptedAt === undefined) {
      this.#interruptedAt = now;
      this.#interrupt(new Interrupted(`interrupted by ${signal}`));
    } else if (now - this.#interruptedAt > SAME_CTRL_C_MS) this.#daemons.kill();
  };
}

/** All events of one journal so far. */
class JournalFollower {
  readonly #reader: ReturnType<typeof createJournalReader>;
  readonly #events: JournalEvent[] = [];

  constructor(directory: string, daemon: DaemonName) {
    this.#reader = createJournalReader({ directory, daemon });
  }

  find<T extends JournalEvent['type']>(type: T): Extract<JournalEvent, { type: T }> | undefined {
    this.#events.push(...this.#reader.read().events);
    return this.#events.find((event): event is Extract<JournalEvent, { type: T }> => event.type === type);
  }
}
