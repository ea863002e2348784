// Deleting recordings whose time is over: first an act of the archive says which, then their files go, then the catalog forgets them.
//
// A crash in between leaves a recording that was deleted and is there: the next deletion goes on with it.
import { setImmediate } from 'node:timers/promises';
import type { By, Deed, Purged } from '../archive/act.ts';
import { addAct } from '../archive/add-act.ts';
import { readPublicKeys } from '../archive/public-keys.ts';
import { latestDue } from '../archive/retention.ts';
import type { Note } from '../audit/by-daemon.ts';
import type { AuditEntry } from '../audit/record.ts';
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import type { RetentionClass } from '../config-retention.ts';
import { GrecError, messageOf } from '../errors.ts';
import { takeInActs } from '../indexing/take-in-acts.ts';
import type { Logger } from '../log.ts';
import { deleteFiles } from './delete-files.ts';
import { type Examination, examine, mayBeDue } from './examine.ts';
import type { Source } from './sources.ts';

/** Recordings that are deleted by one act, in one request. */
const MOST_AT_ONCE = 200;
/** Rows that are looked at before other work gets its turn. */
const TURN = 200;

export interface PurgeContext {
  archive: string;
  signingKey: string;
  sources: readonly Source[];
  catalog: CatalogWriter;
  classes: readonly RetentionClass[];
  log: Logger;
  /** Into the audit log. */
  note: Note;
  /** Milliseconds since 1970. */
  now(): number;
  /** It is being made again. */
  isMaking(recording: string): boolean;
}

export interface PurgeRequest {
  isDryRun: boolean;
  by: By;
  /** Recordings that began earlier are passed over: where the request before ended; milliseconds since 1970. */
  from: number;
}

export interface PurgeReport {
  deleted: { id: string; startTime: string; rule: string; size: number }[];
  /** Those whose time is over, and that must not go. */
  kept: { id: string; startTime: string; reason: string; isHeld: boolean }[];
  /** Classes that recordings name and that are not configured, with the number of these. */
  unknownClasses: Record<string, number>;
  /** Deleted recordings whose files are still there. */
  unfinished: { id: string; reason: string }[];
  /** Where to go on; null when all has been looked at. */
  next: number | null;
}

interface Due {
  row: RecordingRow;
  purged: Purged;
}

/**
 * Deletes what is due, or only says what would be.
 * @throws GrecError ARCHIVE_UNREADABLE when it is not sure what the archive's acts say; then nothing is deleted
 */
export async function purge(context: PurgeContext, request: PurgeRequest): Promise<PurgeReport> {
  requireActs(context);
  const report: PurgeReport = { deleted: [], kept: [], unknownClasses: {}, unfinished: [], next: null };
  if (!request.isDryRun)
    for (const id of context.catalog.acts.unfinished()) await finish(context, id, report);
  const due = await findDue(context, request.from, report);
  if (!request.isDryRun && due.length > 0) await deleteAll(context, request.by, due, report);
  else report.deleted = due.map(({ row, purged }) => shown(row, purged));
  return report;
}

function requireActs({ archive, catalog }: PurgeContext): void {
  const problem = takeInActs(archive, catalog);
  if (problem === undefined) return;
  throw new GrecError(
    'ARCHIVE_UNREADABLE',
    `nothing is deleted, for it is not known what is under hold: ${problem}`,
    { hint: '`grec verify --all` shows what is wrong with the archive' },
  );
}

async function findDue(context: PurgeContext, from: number, report: PurgeReport): Promise<Due[]> {
  const examination = begin(context);
  const last = latestDue(context.classes, examination.now);
  const due: Due[] = [];
  let looked = 0;
  for (const row of context.catalog.since(from)) {
    if (row.startTime > last) break;
    looked += 1;
    if (looked % TURN === 0) await setImmediate();
    noteUnknown(context, row, report);
    if (context.isMaking(row.id) || !mayBeDue(row, examination)) continue;
    const found = await examine(row, examination);
    if (found.verdict === 'kept') {
      const { reason, isHeld } = found;
      report.kept.push({ ...startOf(row), reason, isHeld });
    }
    if (found.verdict === 'due') due.push({ row, purged: found.purged });
    if (due.length < MOST_AT_ONCE) continue;
    report.next = row.startTime;
    break;
  }
  return due;
}

function noteUnknown({ classes }: PurgeContext, { retention }: RecordingRow, report: PurgeReport): void {
  if (!retention || classes.some(({ name }) => name === retention)) return;
  report.unknownClasses[retention] = (report.unknownClasses[retention] ?? 0) + 1;
}

function begin({ archive, catalog, classes, now }: PurgeContext): Examination {
  return { grounds: { archive, keys: readPublicKeys(archive).byId }, catalog, classes, now: now() };
}

function startOf({ id, startTime }: RecordingRow) {
  return { id, startTime: new Date(startTime).toISOString() };
}

function shown(row: RecordingRow, { rule }: Purged): PurgeReport['deleted'][number] {
  return { ...startOf(row), rule, size: row.size };
}

async function deleteAll(
  context: PurgeContext,
  by: By,
  due: readonly Due[],
  report: PurgeReport,
): Promise<void> {
  let certain: Due[] = [];
  // Nothing is put under hold between this look and the act.
  const decide = async (): Promise<Deed | undefined> => {
    certain = await lookAgain(context, due);
    if (certain.length === 0) return undefined;
    await context.note(by, ...certain.map(auditEntry));
    return { type: 'purge', recordings: certain.map(({ purged }) => purged) };
  };
  const act = await addAct({ directory: context.archive, signingKey: context.signingKey }, by, decide);
  if (act === undefined) return;
  requireActs(context);
  for (const { row, purged } of certain) {
    const isDone = await finish(context, row.id, report);
    if (isDone) report.deleted.push(shown(row, purged));
  }
  context.log.info({ act: act.sequence, recordings: certain.length, by: by.user }, 'recordings deleted');
}

function auditEntry({ purged: { recording, rule, startTime } }: Due): AuditEntry {
  return { what: 'delete', recording, details: { rule, startTime } };
}

async function lookAgain(context: PurgeContext, due: readonly Due[]): Promise<Due[]> {
  const examination = begin(context);
  const certain: Due[] = [];
  for (const { row } of due) {
    const found = context.isMaking(row.id) ? undefined : await examine(row, examination);
    if (found?.verdict === 'due') certain.push({ row, purged: found.purged });
  }
  return certain;
}

/** @returns whether nothing is left of it */
async function finish(
  { archive, sources, catalog, log }: PurgeContext,
  id: string,
  report: PurgeReport,
): Promise<boolean> {
  const row = catalog.get(id);
  if (row === undefined) return true;
  try {
    await deleteFiles({ archive, sources, row, segments: catalog.acts.segmentsOf(id) });
    catalog.acts.forget(id);
    return true;
  } catch (thrown) {
    const reason = messageOf(thrown);
    report.unfinished.push({ id, reason });
    log.error({ recording: id, reason }, 'the files of a deleted recording are still there');
    return false;
  }
}
