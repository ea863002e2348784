// The strategy file of a running switch: read at start and when it changes; a mistake leaves the last good one in force.
import { type FSWatcher, readFileSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Config } from '../config.ts';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import { parseStrategy } from './strategy/read.ts';
import type { Strategy } from './strategy/strategy.ts';

/** Changes so soon after one another are one: editors write in several steps. In milliseconds. */
const SETTLE_MS = 200;
/** A directory that Kubernetes and the like swap as a whole changes by this link in it. */
const SWAPPED = '..data';

export class StrategyFile {
  /** In force; undefined while there is no file. */
  strategy: Strategy | undefined;
  /** What is wrong with the file as it is now; the one in force is then an earlier one. */
  problem: string | undefined;
  readonly #log: Logger;
  #config: Config;
  /** What was read last, good or bad. */
  #text: string | undefined;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #onChange: () => void;

  /**
   * Reads the file. When it has a mistake, the last good one of an earlier life of the switch is taken.
   * @param onChange called when another one is in force than at the start
   * @throws GrecError CONFIG_INVALID, CONFIG_UNREADABLE when there is no good one at all
   */
  constructor(config: Config, log: Logger, onChange: () => void = () => undefined) {
    this.#onChange = onChange;
    this.#config = config;
    this.#log = log;
    try {
      this.#take(this.#read());
    } catch (thrown) {
      this.#takeLastGood(thrown);
    }
    this.#watch();
  }

  get file(): string {
    return this.#config.paths.strategy;
  }

  /** Takes over another configuration, and looks at the file whether it has changed or not. Never throws. */
  reload(config: Config): void {
    const isElsewhere = config.paths.strategy !== this.file;
    this.#config = config;
    this.#text = undefined;
    this.#look();
    if (!isElsewhere) return;
    this.#watcher?.close();
    this.#watch();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  #look(): void {
    try {
      const text = this.#read();
      if (text === this.#text && text !== undefined) return;
      this.#take(text);
      this.#onChange();
    } catch (thrown) {
      this.problem = messageOf(thrown);
      const hint = 'the strategy in force stays';
      this.#log.error({ alarm: 'strategy-invalid', hint }, `strategy not taken over: ${this.problem}`);
    }
  }

  /** The text of the file; undefined when there is none, and none is named. @throws GrecError CONFIG_UNREADABLE */
  #read(): string | undefined {
    try {
      return readFileSync(this.file, 'utf8');
    } catch (thrown) {
      if (systemCode(thrown) === 'ENOENT' && this.#config.switch.strategy === undefined) return undefined;
      throw new GrecError('CONFIG_UNREADABLE', `cannot read the strategy: ${messageOf(thrown)}`, {
        hint: 'name a readable file in [switch] strategy, or leave it out to route by the dialled number alone',
        cause: thrown,
      });
    }
  }

  /** @throws GrecError CONFIG_INVALID */
  #take(text: string | undefined): void {
    const had = this.strategy;
    this.#text = text;
    const trunks = this.#config.trunk.map(({ name }) => name);
    this.strategy = text === undefined ? undefined : parseStrategy(text, this.file, trunks);
    this.problem = undefined;
    this.#keep(text);
    if (this.strategy !== undefined)
      this.#log.info({ file: this.file, rules: this.strategy.rules.length }, 'strategy read');
    else if (had !== undefined)
      this.#log.info({ file: this.file }, 'no strategy any more: calls go to the dialled number');
  }

  get #goodFile(): string {
    return join(this.#config.paths.state, 'strategy.good.json');
  }

  /** For a next life that finds the file broken. */
  #keep(text: string | undefined): void {
    try {
      if (text === undefined) return rmSync(this.#goodFile, { force: true });
      const temporary = `${this.#goodFile}.new`;
      writeFileSync(temporary, JSON.stringify({ file: this.file, text }), { mode: 0o600 });
      renameSync(temporary, this.#goodFile);
    } catch (thrown) {
      this.#log.warn(`the strategy is in force, but could not be kept for a restart: ${messageOf(thrown)}`);
    }
  }

  /** @throws GrecError `cause`, when there is no last good one */
  #takeLastGood(cause: unknown): void {
    try {
      const kept: unknown = JSON.parse(readFileSync(this.#goodFile, 'utf8'));
      const { file, text } = kept as { file?: unknown; text?: unknown };
      if (file !== this.file || typeof text !== 'string') throw cause;
      this.strategy = parseStrategy(text, this.#goodFile);
    } catch {
      throw cause;
    }
    this.problem = messageOf(cause);
    const hint = 'the last good strategy is in force; mend the file, or remove it';
    this.#log.error({ alarm: 'strategy-invalid', hint }, `strategy not taken over: ${this.problem}`);
  }

  /** A hint to look: without it SIGHUP does the same. */
  #watch(): void {
    try {
      // The directory: a file that is replaced by rename is another file to the system.
      this.#watcher = watch(dirname(this.file), { persistent: false }, (_event, name) => {
        if (name !== null && name !== basename(this.file) && name !== SWAPPED) return;
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#look(), SETTLE_MS).unref();
      });
      this.#watcher.on('error', (error) => this.#log.warn(`strategy not watched: ${error.message}`));
    } catch (thrown) {
      this.#log.debug(`strategy not watched: ${messageOf(thrown)}`);
    }
  }
}
