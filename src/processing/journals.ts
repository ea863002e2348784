// Taking in the journals: events of calls are kept in the catalog, in the same transaction as the checkpoint.
import { setImmediate } from 'node:timers/promises';
import type { CatalogWriter } from '../catalog/catalog.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { JournalEvent } from '../spool/events.ts';
import { createJournalReader, type JournalProblem, type JournalReader } from '../spool/journal-reader.ts';
import { KnownCalls } from './known-calls.ts';
import type { PendingCall } from './situation.ts';
import { JOURNALS, journalKey, type Source } from './sources.ts';

const BATCH = 500;
/** No call has these names. */
const SWITCH_START = 'the last start of grec-sipd';
/** Calls whose events are forgotten that are remembered: the media server's last word of a call may come after its end. */
const MOST_FORGOTTEN = 10_000;

export interface JournalsContext {
  sources: readonly Pick<Source, 'number' | 'journal'>[];
  catalog: CatalogWriter;
  log: Logger;
}

/** One daemon's journal. */
interface Taken {
  key: string;
  source: number;
  reader: JournalReader;
}

/** The events of all calls that are not settled, as the journals tell them, and for a while of those that are. */
export class Journals {
  readonly #context: JournalsContext;
  readonly #calls: KnownCalls;
  /** In the order in which they were forgotten. */
  readonly #forgotten = new Set<string>();
  readonly #switchStarted = new Map<number, JournalEvent>();
  /** Why a journal of another switch cannot be read, by key: told once. */
  readonly #problems = new Map<string, string>();
  #taken: Taken[];

  constructor(context: JournalsContext) {
    this.#context = context;
    this.#calls = new KnownCalls((call) => context.catalog.eventsOf(call));
    this.#taken = this.#openReaders();
    const sources = new Map(this.#taken.map(({ key, source }) => [key, source]));
    for (const { journal, event } of context.catalog.pendingEvents()) {
      const source = sources.get(journal);
      // A switch that is not configured any more is none of ours.
      if (source !== undefined) this.#remember(event, source);
    }
  }

  /** The last start of each switch, by source. */
  get switchStarted(): ReadonlyMap<number, JournalEvent> {
    return this.#switchStarted;
  }

  /** Those that are not settled. */
  calls(): PendingCall[] {
    return this.#calls.pending();
  }

  /** The same, and those that are settled and may be part of the same conversations. @param touched has something new */
  linkedCalls(touched: Iterable<string>): PendingCall[] {
    return this.#calls.linked(touched);
  }

  /** Whether the call is not settled, or not forgotten yet. */
  isKnown(call: string): boolean {
    return this.#calls.isKnown(call);
  }

  /** The sequence number of each journal up to which all is taken in. */
  progress(): Record<string, number> {
    return Object.fromEntries(
      this.#taken.map(({ key }) => [key, this.#context.catalog.checkpoint(key)?.seq ?? 0]),
    );
  }

  /**
   * Reads all journals to their ends; other work runs in between. What hinders the reading of another switch's journal
   * hinders nothing else.
   * @throws GrecError CATALOG_UNUSABLE, and system errors of reading; the next time goes on where the last checkpoint is
   */
  async readAll(): Promise<void> {
    try {
      for (const taken of this.#taken) {
        if (taken.source === 0) await this.#readOne(taken);
        else await this.#readOther(taken);
      }
    } catch (thrown) {
      this.#taken = this.#openReaders();
      throw thrown;
    }
  }

  async #readOne(taken: Taken): Promise<void> {
    while (this.#readBatch(taken) === BATCH) await setImmediate();
  }

  async #readOther(taken: Taken): Promise<void> {
    const { key } = taken;
    try {
      await this.#readOne(taken);
      this.#problems.delete(key);
    } catch (thrown) {
      const message = `the journal ${key} cannot be read, and is tried again: ${messageOf(thrown)}`;
      if (this.#problems.get(key) === message) return;
      this.#problems.set(key, message);
      this.#context.log.error({ alarm: 'journal', hint: 'is the directory mounted, and readable?' }, message);
      const at = Date.now();
      this.#context.catalog.raiseAlarm({ at, severity: 'major', subject: `journal ${key}`, message });
    }
  }

  /** Reads all again, for a catalog that knows nothing yet. */
  startOver(): void {
    this.#forgotten.clear();
    this.#calls.forgetSettled();
    this.#taken = this.#openReaders();
  }

  /** Nothing more is to come of the call; when there is, it counts until the call is forgotten. */
  settle(call: string, at: number): void {
    this.#calls.settle(call, at);
  }

  /** Forgets the calls that were settled before that time. @returns whom */
  forget(before: number): string[] {
    const forgotten = this.#calls.forget(before);
    for (const call of forgotten) {
      this.#context.catalog.dropEvents(call);
      this.#forgotten.add(call);
    }
    for (const oldest of this.#forgotten) {
      if (this.#forgotten.size <= MOST_FORGOTTEN) break;
      this.#forgotten.delete(oldest);
    }
    return forgotten;
  }

  /** What the media server says of a forgotten call changes nothing: the spool tells of segments that came late. */
  #matters(event: JournalEvent): boolean {
    const call = callOf(event);
    return call !== undefined && !(event.daemon === 'grec-mediad' && this.#forgotten.has(call));
  }

  #openReaders(): Taken[] {
    const { sources, catalog } = this.#context;
    return sources.flatMap((source) =>
      JOURNALS.map((daemon) => {
        const key = journalKey(daemon, source);
        const place = { directory: source.journal, daemon };
        return { key, source: source.number, reader: createJournalReader(place, catalog.checkpoint(key)) };
      }),
    );
  }

  #readBatch({ key, source, reader }: Taken): number {
    const { catalog } = this.#context;
    const { events, checkpoint, problems } = reader.read(BATCH);
    if (events.length === 0 && problems.length === 0) return 0;
    const ofCalls = events.filter((event) => this.#matters(event));
    const started = events.findLast(isSwitchStart);
    catalog.transaction(() => {
      for (const event of ofCalls) catalog.keepEvent(callOf(event) ?? '', event, key);
      if (started !== undefined) keepSwitchStart(catalog, started, key);
      for (const problem of problems) this.#raise(key, problem);
      if (checkpoint !== undefined) catalog.setCheckpoint(key, checkpoint);
    });
    for (const event of ofCalls) this.#remember(event, source);
    if (started !== undefined) this.#switchStarted.set(source, started);
    return events.length;
  }

  #raise(key: string, { file, offset, message }: JournalProblem): void {
    const subject = `journal ${key}`;
    const text = `${file}, byte ${offset}: ${message}`;
    this.#context.log.warn({ journal: key, file, offset }, message);
    this.#context.catalog.raiseAlarm({ at: Date.now(), severity: 'warning', subject, message: text });
  }

  #remember(event: JournalEvent, source: number): void {
    const call = callOf(event);
    if (isSwitchStart(event)) this.#switchStarted.set(source, event);
    if (call !== undefined) this.#calls.add(call, event, source);
  }
}

function isSwitchStart({ type, daemon }: JournalEvent): boolean {
  return type === 'daemon.started' && daemon === 'grec-sipd';
}

/** Kept where the events of calls are, in place of the one before. */
function keepSwitchStart(catalog: CatalogWriter, event: JournalEvent, key: string): void {
  const name = key === event.daemon ? SWITCH_START : `the last start of ${key}`;
  catalog.dropEvents(name);
  catalog.keepEvent(name, event, key);
}

/** Of a call that was refused nothing more is to come. */
function callOf(event: JournalEvent): string | undefined {
  if (event.type === 'call.refused') return undefined;
  return 'call' in event ? event.call : undefined;
}
