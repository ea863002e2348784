// The processor: reads journals and spool at its own pace, and turns what they tell into recordings, rows and alarms.
//
// Whatever it does can be done again: each round looks at the journals from their checkpoints, at the spool and at the
// catalog, and decides anew what is to be done.
import { removeLeftovers } from '../archive/write.ts';
import type { CatalogWriter, UsedSegment } from '../catalog/catalog.ts';
import { type FollowingCatalog, followCatalog } from '../catalog/following.ts';
import type { Config } from '../config.ts';
import type { ControlBytes, ControlRequest } from '../control.ts';
import type { RunningDaemon } from '../daemon.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { microsNow } from '../spool/clock.ts';
import { readSpoolKeys } from '../spool/spool-keys.ts';
import type { AudioSetting } from './audio-file.ts';
import { ProcessorAudit } from './audit-routes.ts';
import { keepsCaptures } from './captures.ts';
import { decide } from './consolidate.ts';
import type { DecoderWatch } from './decoder-watch.ts';
import { prepareEvidence } from './evidence.ts';
import type { Failures } from './failures.ts';
import { finishRecording } from './finish.ts';
import { Finisher } from './finisher.ts';
import { Journals } from './journals.ts';
import { knownIn } from './known-recordings.ts';
import { LifeCycle } from './life-cycle.ts';
import { type Listeners, openListeners } from './listening.ts';
import { openFailures, takeInSetAside } from './open-failures.ts';
import { Rounds } from './rounds.ts';
import { openRtpengineImport, type RtpengineImport } from './rtpengine-import.ts';
import type { Situation, SpoolSegment } from './situation.ts';
import { prepareFolders, type Source, sourcesOf, watchedFolders } from './sources.ts';
import type { SegmentEntry } from './spool-scan.ts';
import { Spools, spoolSegment } from './spools.ts';
import { stateOf } from './state-of-recording.ts';
import { Uploads } from './uploads.ts';
import { watchFolders } from './watch.ts';

const POLL_MS = 1_000;
const FIRST_RETRY_MS = 1_000;
/** Facts that nobody can read are given up when they have not changed for so long. */
const FACTS_GRACE_MS = 60_000;
const DAY_MS = 86_400_000;
/** How often it is looked for what need not be kept any longer. */
const PURGE_MS = 10_000;

export interface ProcessorOptions {
  config: Config;
  log: Logger;
  /** Wall clock in microseconds since 1970. */
  now?: () => number;
  /** Makes one recording. */
  finish?: typeof finishRecording;
  pollMs?: number;
  firstRetryMs?: number;
  /** How often it is looked for an ffmpeg that is missing. */
  lookForDecodersMs?: number;
}

/**
 * Starts the processor: works through what has gathered, then watches.
 * @throws GrecError CATALOG_UNUSABLE, STATE_UNUSABLE, SPOOL_KEY_UNUSABLE
 */
export async function startProcessor(options: ProcessorOptions): Promise<RunningDaemon> {
  prepareFolders(options.config);
  const processor = new Processor(options, followCatalog(options.config.paths.catalog));
  await processor.start();
  return {
    routes: {
      'GET /alarms': ({ query }) => processor.catalog.alarms(Number(query.get('limit')) || 50),
      'GET /recordings/:id': ({ params }) => processor.stateOf(params.id ?? ''),
      'GET /listen/:call': (request) => processor.listen(request),
      'POST /sync': () => processor.sync(),
      ...processor.lifeCycle.routes,
      ...processor.audit.routes,
      ...processor.failures.routes,
      ...processor.uploads.routes,
    },
    status: () => processor.status(),
    reload: (config) => processor.reload(config),
    stop: () => processor.stop(),
  };
}

class Processor {
  readonly catalog: CatalogWriter;
  readonly listeners: Listeners;
  readonly lifeCycle: LifeCycle;
  readonly audit: ProcessorAudit;
  readonly failures: Failures;
  readonly uploads: Uploads;
  readonly #following: FollowingCatalog;
  readonly #config: Config;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #pollMs: number;
  readonly #journals: Journals;
  readonly #sources: Source[];
  readonly #spool: Spools;
  readonly #rounds: Rounds;
  readonly #finisher: Finisher;
  readonly #decoders: DecoderWatch;
  readonly #import: RtpengineImport | undefined;
  /** Segments in the spool that are not done, as the last round saw them. */
  #segments: SpoolSegment[] = [];
  #purgedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #unwatch: () => void = () => {};

  constructor(options: ProcessorOptions, following: FollowingCatalog) {
    const { catalog } = following;
    const { config, log, now = microsNow, finish = finishRecording, pollMs = POLL_MS } = options;
    const { firstRetryMs = FIRST_RETRY_MS } = options;
    const { archive, signingKey } = config.paths;
    this.#config = config;
    this.#log = log;
    this.#now = now;
    this.#pollMs = pollMs;
    this.catalog = catalog;
    this.#following = following;
    this.#sources = sourcesOf(config);
    this.#journals = new Journals({ sources: this.#sources, catalog, log });
    this.#spool = new Spools(this.#sources, readSpoolKeys(config.paths.encryption.spoolKey));
    this.#import = openRtpengineImport({ config, catalog, log });
    this.audit = new ProcessorAudit(config, log);
    const { note } = this.audit;
    this.listeners = openListeners({ config, log, spool: this.#spool, journals: this.#journals, now, note });
    const isMaking = (recording: string) => this.#finisher.isMaking(recording);
    this.lifeCycle = new LifeCycle({ config, catalog, log, isMaking, note, now: () => now() / 1000 });
    this.uploads = new Uploads({
      config,
      catalog,
      log,
      note,
      now: () => Math.floor(now() / 1000),
      firstPauseMs: options.firstRetryMs,
    });
    const isBusy = () => this.#finisher.active > 0;
    this.#rounds = new Rounds({ log, look: () => this.#look(), isBusy, pollMs });
    const onIdle = () => void this.#rounds.round();
    this.#finisher = new Finisher({
      archive,
      signingKey,
      catalog,
      spool: this.#spool,
      log,
      finish,
      switches: this.#sources.map(({ name }) => name),
      audio: { ...audioSetting(config), spoolKeys: this.#spool.keys },
      certificates: config.paths.encryption.certificates,
      keepsCaptures: keepsCaptures(config.archive),
      firstRetryMs,
      onIdle,
    });
    const situation = () => this.#situation();
    const { failures, decoders } = openFailures({
      ...{ config, catalog, log, note, situation, spool: this.#spool, finisher: this.#finisher },
      ...{ sources: this.#sources, lookMs: options.lookForDecodersMs, others: [this.uploads.failed] },
    });
    this.failures = failures;
    this.#decoders = decoders;
  }

  async start(): Promise<void> {
    await this.audit.noteConfiguration(this.#config, 'start');
    await this.#cleanUp();
    const imported = this.#import === undefined ? [] : [this.#import.folder];
    const folders = [...this.#sources.flatMap(watchedFolders), ...imported];
    this.#unwatch = watchFolders(folders, () => void this.#rounds.round());
    this.#timer = setInterval(() => void this.#rounds.round(), this.#pollMs);
    await this.#rounds.round();
  }

  /** Of the configuration the path of ffmpeg can change without a restart. */
  async reload(config: Config): Promise<void> {
    await this.audit.noteConfiguration(config, 'reload');
    this.#finisher.useFfmpeg(config.export.ffmpeg);
    this.#decoders.useFfmpeg(config.export.ffmpeg);
    await this.uploads.use(config.storage);
    await this.#rounds.round();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#unwatch();
    await this.#rounds.stop();
    await this.#finisher.stop();
    await this.#decoders.stop();
    await this.failures.stop();
    await this.uploads.stop();
    await this.lifeCycle.stop();
    await this.listeners.stop();
    this.catalog.close();
  }

  /** Removes what a crash left half made; what is to be made again lies in the spool. */
  async #cleanUp(): Promise<void> {
    const now = this.#now() / 1000;
    try {
      const ofSpool = this.#spool.refresh().flatMap(({ facts }) => (facts ? [facts.opened.at / 1000] : []));
      const removed = await removeLeftovers(this.#config.paths.archive, [now, now - DAY_MS, ...ofSpool]);
      if (removed.length > 0) this.#log.info({ removed }, 'half-made recordings of an earlier run removed');
    } catch (thrown) {
      this.#log.warn(`cannot look for half-made recordings: ${messageOf(thrown)}`);
    }
    await prepareEvidence(this.#config.paths, this.#log);
    this.#takeIn();
  }

  /** What a catalog that was lost does not know, and neither the journals nor the recordings tell. */
  #takeIn(): void {
    const { archive } = this.#config.paths;
    this.lifeCycle.takeIn();
    takeInSetAside({ archive, sources: this.#sources, catalog: this.catalog, log: this.#log });
    this.uploads.register();
  }

  async #look(): Promise<void> {
    if (this.#following.follow()) {
      const told = {
        alarm: 'catalog-lost',
        hint: '`grec reindex` brings back those of which no journal tells',
      };
      this.#log.error(
        told,
        `the catalog ${this.#config.paths.catalog} was removed or replaced: a new one begins`,
      );
      this.#journals.startOver();
      this.#takeIn();
    }
    await this.#journals.readAll();
    await this.#import?.look();
    const { undone, done } = this.#sorted(this.#spool.refresh());
    const now = this.#now();
    for (const entry of undone) {
      const isUnreadable = entry.facts === undefined && now / 1000 - entry.changedAt > FACTS_GRACE_MS;
      if (isUnreadable) this.#finisher.outcomes.failUnreadable(entry);
    }
    this.#segments = undone.flatMap(({ id, facts }) =>
      facts === undefined ? [] : [spoolSegment(id, facts)],
    );
    // At once: what the finisher does meanwhile would make of this an old picture.
    this.#decide(now);
    for (const segment of done) await this.#finisher.takeAway(segment);
    this.#decoders.look();
    await this.#forget(now);
    this.uploads.round();
  }

  /** Calls that are over for long, and what their recordings were made of. */
  async #forget(now: number): Promise<void> {
    const lateUs = this.#config.processing.late * 1e6;
    const forgotten = this.#journals.forget(now - lateUs);
    const isDue = performance.now() - this.#purgedAt > PURGE_MS || (lateUs === 0 && forgotten.length > 0);
    if (!isDue || this.#finisher.active > 0) return;
    this.#purgedAt = performance.now();
    const isNeeded = (call: string | undefined) => call !== undefined && this.#journals.isKnown(call);
    await this.#spool.purge({ isNeeded, before: Date.now() - lateUs / 1000 });
  }

  /** Segments that a crash left behind after the catalog's commit are done already. */
  #sorted(entries: SegmentEntry[]): { undone: SegmentEntry[]; done: UsedSegment[] } {
    const [undone, done]: [SegmentEntry[], UsedSegment[]] = [[], []];
    for (const entry of entries) {
      const isOpen = entry.facts !== undefined && entry.facts.closed === undefined;
      const used = isOpen ? undefined : this.catalog.usedSegment(entry.id);
      if (used === undefined) undone.push(entry);
      else if (!this.#finisher.isUsing(entry.id)) done.push(used);
    }
    return { undone, done };
  }

  #decide(now: number): void {
    const touched = this.#segments.flatMap(({ call }) => call ?? []);
    const calls = this.#journals.linkedCalls(touched);
    const decisions = decide({ ...this.#situation(now), calls, segments: this.#segments });
    for (const decision of decisions) {
      if (decision.do === 'settle') this.#journals.settle(decision.call, now);
      if (decision.do === 'fail')
        this.#finisher.outcomes.failUnlessArchived(decision.recording, decision.call, decision.reason);
    }
    this.#finisher.take(decisions.filter((decision) => decision.do === 'finish'));
  }

  #situation(now = this.#now()): Omit<Situation, 'calls' | 'segments'> {
    const waitUs = this.#sources.length > 1 ? this.#config.processing.wait * 1e6 : 0;
    const { switchStarted } = this.#journals;
    return { ...knownIn(this.catalog, this.#spool), switchStarted, waitUs, now };
  }

  /** A call may have begun since the last look. @throws GrecError CALL_UNKNOWN, CALL_AMBIGUOUS, RECORDING_STATE */
  async listen(request: ControlRequest): Promise<ControlBytes> {
    await this.#rounds.round();
    return this.listeners.open(request);
  }

  status(): Record<string, unknown> {
    const finishedAt = this.catalog.lastFinishedAt();
    const closed = this.#segments.filter(({ closedAt }) => closedAt !== undefined).length;
    return {
      journals: this.#journals.progress(),
      backlog: closed,
      openSegments: this.#segments.length - closed,
      processing: this.#finisher.active,
      recordings: this.catalog.count(),
      failed: this.catalog.count('failed'),
      lastFinished: finishedAt === 0 ? null : new Date(finishedAt).toISOString(),
      listeners: this.listeners.count,
      alarms: this.catalog.alarmCount(),
      imported: this.#import?.taken,
      copies: this.uploads.status(),
      problem: this.#rounds.problem ?? [...this.#spool.problems.values()][0] ?? null,
    };
  }

  /** @throws GrecError RECORDING_UNKNOWN */
  stateOf(asked: string): Record<string, unknown> {
    const { catalog } = this;
    const known = {
      catalog,
      finisher: this.#finisher,
      segments: this.#segments,
      calls: this.#journals.calls(),
    };
    return stateOf(known, asked.toLowerCase());
  }

  /** Does all that can be done now. */
  async sync(): Promise<Record<string, unknown>> {
    await this.#rounds.round();
    await this.#finisher.idle();
    await this.#decoders.idle();
    await this.#rounds.round();
    return this.status();
  }
}

function audioSetting({ recording: { format, channels }, export: { ffmpeg } }: Config): AudioSetting {
  return { format, channels, ffmpeg };
}
