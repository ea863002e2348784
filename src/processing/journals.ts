// Taking in the journals: events of calls are kept in the catalog, in the same transaction as the checkpoint.
import { setImmediate } from 'node:timers/promises';
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { Logger } from '../log.ts';
import type { JournalEvent } from '../spool/events.ts';
import { createJournalReader, type JournalProblem, type JournalReader } from '../spool/journal-reader.ts';
import type { PendingCall } from './consolidate.ts';

/** Whose journals tell of calls and recordings. */
export const JOURNALS = ['grec-sipd', 'grec-mediad'] as const;
type JournalName = (typeof JOURNALS)[number];

const BATCH = 500;
/** No call has this name. */
const SWITCH_START = 'the last start of grec-sipd';
/** Settled calls that are remembered: the media server's last word of a call may come after its end. */
const MOST_SETTLED = 10_000;

export interface JournalsContext {
  directory: string;
  catalog: CatalogWriter;
  log: Logger;
}

/** The events of all calls that are not settled, as the journals tell them. */
export class Journals {
  readonly #context: JournalsContext;
  readonly #calls = new Map<string, JournalEvent[]>();
  /** In the order in which they were settled. */
  readonly #settled = new Set<string>();
  #switchStarted: JournalEvent | undefined;
  #readers: Map<JournalName, JournalReader>;

  constructor(context: JournalsContext) {
    this.#context = context;
    this.#readers = this.#openReaders();
    for (const event of context.catalog.pendingEvents()) this.#remember(event);
  }

  /** The last start of the switch. */
  get switchStarted(): JournalEvent | undefined {
    return this.#switchStarted;
  }

  calls(): PendingCall[] {
    return [...this.#calls].map(([id, events]) => ({ id, events }));
  }

  /** The sequence number of each journal up to which all is taken in. */
  progress(): Record<string, number> {
    return Object.fromEntries(
      JOURNALS.map((name) => [name, this.#context.catalog.checkpoint(name)?.seq ?? 0]),
    );
  }

  /**
   * Reads all journals to their ends; other work runs in between.
   * @throws GrecError CATALOG_UNUSABLE, and system errors of reading; the next time goes on where the last checkpoint is
   */
  async readAll(): Promise<void> {
    try {
      for (const [name, reader] of this.#readers) {
        while (this.#readBatch(name, reader) === BATCH) await setImmediate();
      }
    } catch (thrown) {
      this.#readers = this.#openReaders();
      throw thrown;
    }
  }

  /** Reads all again, for a catalog that knows nothing yet. */
  startOver(): void {
    this.#settled.clear();
    this.#readers = this.#openReaders();
  }

  /** Forgets a settled call. */
  drop(call: string): void {
    this.#context.catalog.dropEvents(call);
    this.#calls.delete(call);
    this.#settled.add(call);
    for (const oldest of this.#settled) {
      if (this.#settled.size <= MOST_SETTLED) break;
      this.#settled.delete(oldest);
    }
  }

  /** What the media server says of a settled call changes nothing: the spool tells of segments that came late. */
  #matters(event: JournalEvent): boolean {
    const call = callOf(event);
    return call !== undefined && !(event.daemon === 'grec-mediad' && this.#settled.has(call));
  }

  #openReaders(): Map<JournalName, JournalReader> {
    const { directory, catalog } = this.#context;
    return new Map(
      JOURNALS.map((name) => {
        return [name, createJournalReader({ directory, daemon: name }, catalog.checkpoint(name))] as const;
      }),
    );
  }

  #readBatch(name: JournalName, reader: JournalReader): number {
    const { catalog } = this.#context;
    const { events, checkpoint, problems } = reader.read(BATCH);
    if (events.length === 0 && problems.length === 0) return 0;
    const ofCalls = events.filter((event) => this.#matters(event));
    const started = events.findLast(isSwitchStart);
    catalog.transaction(() => {
      for (const event of ofCalls) catalog.keepEvent(callOf(event) ?? '', event);
      if (started !== undefined) keepSwitchStart(catalog, started);
      for (const problem of problems) this.#raise(name, problem);
      if (checkpoint !== undefined) catalog.setCheckpoint(name, checkpoint);
    });
    for (const event of ofCalls) this.#remember(event);
    this.#switchStarted = started ?? this.#switchStarted;
    return events.length;
  }

  #raise(name: JournalName, { file, offset, message }: JournalProblem): void {
    const subject = `journal ${name}`;
    const text = `${file}, byte ${offset}: ${message}`;
    this.#context.log.warn({ journal: name, file, offset }, message);
    this.#context.catalog.raiseAlarm({ at: Date.now(), severity: 'warning', subject, message: text });
  }

  /** Events of one call stand in order of time; the same event again changes nothing. */
  #remember(event: JournalEvent): void {
    const call = callOf(event);
    if (isSwitchStart(event)) this.#switchStarted = event;
    if (call === undefined) return;
    const events = this.#calls.get(call) ?? [];
    if (events.some((known) => isSame(known, event))) return;
    events.push(event);
    events.sort((one, other) => one.at - other.at);
    this.#calls.set(call, events);
  }
}

function isSwitchStart({ type, daemon }: JournalEvent): boolean {
  return type === 'daemon.started' && daemon === 'grec-sipd';
}

/** Kept where the events of calls are, in place of the one before. */
function keepSwitchStart(catalog: CatalogWriter, event: JournalEvent): void {
  catalog.dropEvents(SWITCH_START);
  catalog.keepEvent(SWITCH_START, event);
}

/** Of a call that was refused nothing more is to come. */
function callOf(event: JournalEvent): string | undefined {
  if (event.type === 'call.refused') return undefined;
  return 'call' in event ? event.call : undefined;
}

/** Its number alone does not tell: a journal that lost its end uses numbers again. */
function isSame(one: JournalEvent, other: JournalEvent): boolean {
  return one.seq === other.seq && one.daemon === other.daemon && one.at === other.at;
}
