// `grec reconcile`: calls that had to be recorded against recordings that exist and can be played; each difference with its reason.
import { dirname, join } from 'node:path';
import { recordingIdOf, recordingIdOfCall } from '../archive/ids.ts';
import { dayFolder, walkArchive } from '../archive/walk.ts';
import { type CatalogReader, openCatalogReader } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { GrecError, messageOf } from '../errors.ts';
import { type DueCall, DueRecordings } from '../spool/due-recordings.ts';
import { createJournalReader } from '../spool/journal-reader.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { progressOf } from './progress.ts';
import { ProvedDeletions } from './reconcile-deletions.ts';
import { faultOf } from './reconcile-files.ts';
import { localTime } from './table.ts';
import { readTime } from './time.ts';
import { readJournal } from './why-journal.ts';

export interface ReconcileOptions {
  since?: string;
}

type Kind = 'missing' | 'failed' | 'partial' | 'unplayable' | 'unlisted' | 'journal';

interface Difference {
  kind: Kind;
  /** Milliseconds since 1970: when the call or the recording began; undefined when that is not known. */
  at: number | undefined;
  call: string | undefined;
  recording: string | undefined;
  from: string | undefined;
  to: string | undefined;
  reason: string;
}

/** A recording is made when its call is over and its last segment is there: grec-procd waits 10 s for that, and may be at work. */
const MAKING_MS = 60_000;
const BATCH = 2000;

/**
 * @returns status 1 when there is a difference
 * @throws GrecError USAGE, CATALOG_UNUSABLE, JOURNAL_INVALID, ARCHIVE_UNREADABLE
 */
export async function reconcile(context: CliContext, { since }: ReconcileOptions): Promise<number> {
  const from = since === undefined ? 0 : readTime(since, Date.now());
  const catalog = openCatalogReader(context.config.paths.catalog);
  try {
    const work = new Reconciliation(context, catalog, from);
    await work.run();
    work.show();
    return work.differences.length === 0 ? EXIT.ok : EXIT.failure;
  } finally {
    catalog.close();
  }
}

class Reconciliation {
  readonly differences: Difference[] = [];
  readonly #context: CliContext;
  readonly #catalog: CatalogReader;
  readonly #since: number;
  readonly #calls = { answered: 0, due: 0, beingMade: 0, deleted: 0, up: 0 };
  readonly #deletions: ProvedDeletions;
  #recordings = 0;

  constructor(context: CliContext, catalog: CatalogReader, since: number) {
    this.#context = context;
    this.#catalog = catalog;
    this.#since = since;
    this.#deletions = new ProvedDeletions(context.config.paths.archive, catalog);
  }

  async run(): Promise<void> {
    this.#compareCalls();
    this.#compareRecordings();
    await this.#compareArchive();
  }

  /** What had to be recorded, by the journal: is it in the catalog? */
  #compareCalls(): void {
    const directory = this.#context.config.paths.journal;
    const reader = createJournalReader({ directory, daemon: 'grec-sipd' });
    const due = new DueRecordings();
    for (;;) {
      const { events, problems } = readJournal(() => reader.read(BATCH));
      for (const { file, offset, message } of problems) {
        const reason = `${file}, byte ${offset}: ${message}; what calls it tells of is not known`;
        this.#tell({ kind: 'journal', reason });
      }
      for (const event of events) {
        const call = due.take(event);
        if (call !== undefined) this.#compareCall(call);
      }
      if (events.length === 0) break;
    }
    for (const call of due.forgotten()) this.#compareCall(call);
    this.#calls.answered = due.answered;
    this.#calls.up = due.up;
  }

  #compareCall(call: DueCall): void {
    const { recordings, failures, releasedAt, createdAt } = call;
    if (createdAt / 1000 < this.#since) return;
    this.#calls.due += 1;
    const ids =
      recordings.length === 0
        ? [recordingIdOfCall(call.call)]
        : recordings.map((name) => recordingIdOf(name));
    for (const recording of ids) {
      if (this.#catalog.get(recording) !== undefined) continue;
      const deletion = this.#deletions.of(recording);
      if (deletion === 'proved') this.#calls.deleted += 1;
      else if (deletion !== undefined)
        this.#tell({ kind: 'missing', at: createdAt / 1000, ...call, recording, reason: deletion.fault });
      else if (Date.now() - releasedAt / 1000 < MAKING_MS) this.#calls.beingMade += 1;
      else
        this.#tell({ kind: 'missing', at: createdAt / 1000, ...call, recording, reason: missing(failures) });
    }
  }

  /** What is in the catalog: is it whole, and can it be played? */
  #compareRecordings(): void {
    const progress = progressOf(this.#context, 'looking at the recordings');
    const count = this.#catalog.count();
    for (const row of this.#catalog.since(this.#since)) {
      this.#recordings += 1;
      progress.update(count === 0 ? 1 : Math.min(1, this.#recordings / count));
      const fault = this.#faultOf(row);
      const { startTime: at, id: recording, caller: from, callee: to } = row;
      if (fault !== undefined) this.#tell({ ...fault, at, recording, from, to });
    }
    progress.done();
  }

  #faultOf({ state, reason, path }: RecordingRow): Pick<Difference, 'kind' | 'reason'> | undefined {
    if (state === 'failed' || path === null)
      return { kind: 'failed', reason: reason ?? 'it is not known why' };
    const fault = faultOf(join(this.#context.config.paths.archive, path));
    if (fault !== undefined) return { kind: 'unplayable', reason: fault };
    return state === 'partial' ? { kind: 'partial', reason: reason ?? 'it is not known why' } : undefined;
  }

  /** What is in the archive: is it in the catalog? What is no recording is for `grec verify`. */
  async #compareArchive(): Promise<void> {
    const { archive } = this.#context.config.paths;
    try {
      for await (const found of walkArchive(archive, dayFolder(this.#since))) {
        if (found.kind !== 'recording' || this.#catalog.get(found.id) !== undefined) continue;
        const deletion = this.#catalog.deleted(found.id);
        const known =
          deletion === undefined ? 'the catalog does not know it' : `it was deleted on ${deletion.at}`;
        const reason = `it is in the archive, in ${dirname(found.path)}, and ${known}`;
        this.#tell({ kind: 'unlisted', recording: found.id, reason });
      }
    } catch (thrown) {
      if (thrown instanceof GrecError) throw thrown;
      throw new GrecError('ARCHIVE_UNREADABLE', `cannot read the archive: ${messageOf(thrown)}`, {
        hint: 'run as the user that runs the daemons, or as root',
        cause: thrown,
      });
    }
  }

  #tell(difference: Partial<Difference> & Pick<Difference, 'kind' | 'reason'>): void {
    const { kind, at, call, recording, from, to, reason } = difference;
    this.differences.push({ kind, at, call, recording, from, to, reason });
  }

  show(): void {
    const context = this.#context;
    const { differences } = this;
    if (context.json) return context.printJson(this.#asJson());
    if (differences.length > 0)
      context.printTable(['TIME', 'WHAT', 'RECORDING', 'CALL', 'REASON'], differences.map(lineOf));
    context.note(this.#summary());
  }

  #summary(): string {
    const { answered, due, beingMade, deleted, up } = this.#calls;
    const gone = deleted === 0 ? '' : `, ${deleted} recordings were deleted as their classes say`;
    const made = beingMade === 0 ? gone : `${gone}, ${beingMade} recordings are being made`;
    const found = this.differences.length === 0 ? 'no difference' : `${this.differences.length} differences`;
    return `${found}: ${due} of ${answered} answered calls had to be recorded${made}; ${this.#recordings} recordings; ${up} calls are up`;
  }

  #asJson(): unknown {
    return {
      since: this.#since === 0 ? null : new Date(this.#since).toISOString(),
      calls: this.#calls,
      recordings: this.#recordings,
      differences: this.differences.map(({ at, ...difference }) => ({
        ...difference,
        at: at === undefined ? null : new Date(at).toISOString(),
      })),
    };
  }
}

function missing(failures: readonly string[]): string {
  const said = failures.length === 0 ? '' : `recording failed: ${failures.join('; ')}; `;
  return `${said}the catalog knows no recording of it: grec-procd does not run, or is behind (\`grec status\`), or the recording was deleted`;
}

function lineOf({ at, kind, recording, from, to, reason }: Difference): string[] {
  return [
    at === undefined ? '-' : localTime(at),
    kind,
    recording === undefined ? '-' : shortId(recording),
    from === undefined ? '-' : `${from} → ${to ?? '?'}`,
    reason,
  ];
}
