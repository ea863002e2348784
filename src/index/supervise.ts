// The indexer as grec-procd sees it: started beside the processor, begun again when it ends, asked and told through one channel.
import { type ChildProcess, fork } from 'node:child_process';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { type Config, programEnvironment } from '../config.ts';
import type { ControlRequest, ControlRoutes } from '../control.ts';
import type { DaemonContext, RunningDaemon } from '../daemon.ts';
import { GrecError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { IndexerStatus } from './indexer.ts';
import type { IndexerSettings, Order, Told } from './indexer-protocol.ts';

/** Of the same kind as this file: a checkout runs the sources. */
const PROGRAM = fileURLToPath(new URL(`./indexer-process${extname(import.meta.url)}`, import.meta.url));
/** Of V8: it keeps little, and is not to grow. */
const FLAGS = [
  '--max-old-space-size=256',
  '--max-semi-space-size=2',
  '--heap-growing-percent=50',
  '--no-warnings',
];
const FIRST_RESTART_MS = 1_000;
const LONGEST_RESTART_MS = 60_000;
/** It tells its status each second, and is busy with one file for seconds at most. */
const SILENCE_LIMIT_MS = 600_000;
const STOP_LIMIT_MS = 5_000;

const WHICH = 'expected "all", "transcripts", "topics", "problems" or the id of a recording';
const redoSchema = v.strictObject({
  which: v.union(
    [
      v.picklist(['all', 'transcripts', 'topics', 'problems']),
      v.strictObject({ id: v.pipe(v.string(), v.uuid()) }),
    ],
    WHICH,
  ),
});

export interface SupervisorOptions {
  firstRestartMs?: number;
  settings?: Partial<IndexerSettings>;
}

/** Starts `start`, and the indexer beside it, which never holds it up. */
export async function withIndexer(
  context: DaemonContext,
  start: (context: DaemonContext) => Promise<RunningDaemon>,
  options: SupervisorOptions = {},
): Promise<RunningDaemon> {
  const running = await start(context);
  const indexer = new IndexerChild(settingsOf(context.config, options.settings), context.log, options);
  return {
    ...running,
    routes: { ...running.routes, ...indexer.routes },
    status: async () => ({ ...(await running.status()), ...indexer.figures() }),
    stop: async () => {
      await indexer.stop();
      await running.stop();
    },
  };
}

function settingsOf(config: Config, changes: Partial<IndexerSettings> = {}): IndexerSettings {
  const { archive, catalog, index, transcripts, topics, model, state } = config.paths;
  const folder = join(state, 'indexing');
  const transcription = { ...config.index, model };
  const paths = { archive, catalog, index, transcripts, topics, folder };
  return { ...paths, ffmpeg: config.export.ffmpeg, transcription, ...changes };
}

interface Pending {
  resolve(count: number): void;
  reject(error: GrecError): void;
}

class IndexerChild {
  readonly #settings: IndexerSettings;
  readonly #log: Logger;
  readonly #firstRestartMs: number;
  readonly #pending = new Map<number, Pending>();
  #child: ChildProcess | undefined;
  #status: IndexerStatus | undefined;
  #serial = 0;
  #endings = 0;
  #isStopping = false;
  #restart: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(
    settings: IndexerSettings,
    log: Logger,
    { firstRestartMs = FIRST_RESTART_MS }: SupervisorOptions,
  ) {
    this.#settings = settings;
    this.#log = log;
    this.#firstRestartMs = firstRestartMs;
    this.#begin();
  }

  get routes(): ControlRoutes {
    return {
      'GET /index': () => ({ pid: this.#child?.pid ?? null, ...this.#status }),
      'POST /index/redo': (request) => this.#redo(request),
    };
  }

  /** What `grec status` shows of it. */
  figures(): Record<string, unknown> {
    const { waiting, behind, problems, problem, engine } = this.#status ?? {};
    return {
      ...(waiting === undefined ? {} : { indexWaiting: waiting, indexFailed: problems }),
      ...(engine ? { transcriber: engine.engine } : {}),
      ...(waiting ? { indexBehind: `${behind} s` } : {}),
      ...(typeof problem === 'string' ? { indexProblem: problem } : {}),
    };
  }

  #begin(): void {
    // It needs nothing of the environment but where programs are; nothing of what may be secret in it.
    const child = fork(PROGRAM, [], {
      env: programEnvironment(),
      execArgv: FLAGS,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    child.on('message', (told: Told) => this.#hear(told));
    child.once('error', (error) => this.#log.error(`the indexer cannot be started: ${error.message}`));
    child.once('exit', (code, signal) => this.#end(code ?? signal));
    this.#send({ do: 'start', settings: this.#settings });
    this.#watch();
  }

  #send(order: Order): void {
    this.#child?.send(order, () => undefined);
  }

  #hear(told: Told): void {
    this.#watch();
    if (told.told === 'problem') {
      this.#log.warn({ recording: told.recording }, `index: ${told.problem}`);
      return;
    }
    if (told.told === 'topic') {
      const alarm = { alarm: 'topic', recording: told.recording, topic: told.topic };
      this.#log.warn(alarm, `recording ${told.recording} is about ${told.topic}`);
      return;
    }
    if (told.told === 'status') {
      this.#status = told.status;
      this.#endings = 0;
      return;
    }
    const pending = this.#pending.get(told.id);
    this.#pending.delete(told.id);
    if (told.told === 'answer') pending?.resolve(told.count);
    else pending?.reject(new GrecError('INDEX_UNUSABLE', told.problem));
  }

  /** One that says nothing for so long does nothing any more. */
  #watch(): void {
    clearTimeout(this.#silence);
    const child = this.#child;
    this.#silence = setTimeout(() => child?.kill('SIGKILL'), SILENCE_LIMIT_MS);
    this.#silence.unref();
  }

  #end(how: number | string | null): void {
    clearTimeout(this.#silence);
    this.#child = undefined;
    for (const { reject } of this.#pending.values())
      reject(
        new GrecError('INDEX_UNUSABLE', 'the indexer has ended', { hint: 'it is started again: ask again' }),
      );
    this.#pending.clear();
    if (this.#isStopping) return;
    const pause = Math.min(LONGEST_RESTART_MS, this.#firstRestartMs * 2 ** Math.min(10, this.#endings));
    this.#endings += 1;
    this.#log.error({ how, restartMs: pause }, 'the indexer has ended, and is started again');
    this.#restart = setTimeout(() => this.#begin(), pause);
  }

  /** @throws GrecError USAGE, INDEX_UNUSABLE */
  async #redo({ body }: ControlRequest): Promise<{ count: number }> {
    const asked = v.safeParse(redoSchema, body);
    if (!asked.success) throw new GrecError('USAGE', asked.issues[0].message);
    if (this.#child === undefined)
      throw new GrecError('INDEX_UNUSABLE', 'the indexer does not run', {
        hint: 'the log of grec-procd says why; it is started again',
      });
    const id = ++this.#serial;
    const answer = new Promise<number>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#send({ do: 'redo', id, which: asked.output.which });
    return { count: await answer };
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    clearTimeout(this.#silence);
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    if (child.connected) child.disconnect();
    await ended;
    clearTimeout(limit);
  }
}
