// `grec purge`: deletes the recordings whose time is over, or says which these are.
import { askDaemon, socketOf } from '../control.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { byteSize, localTime } from './table.ts';

export interface PurgeOptions {
  dryRun?: boolean;
  trustClock?: boolean;
}

interface Gone {
  id: string;
  startTime: string;
  rule: string;
  size: number;
}

interface Kept {
  id: string;
  startTime: string;
  reason: string;
  isHeld: boolean;
}

/** What grec-procd answers, a part of the recordings at a time. */
interface Report {
  deleted: Gone[];
  kept: Kept[];
  unfinished: { id: string; reason: string }[];
  unknownClasses: Record<string, number>;
  captures: { segment: string; rule: string }[];
  next: number | null;
}

/** Deleting some hundred hours of audio takes a slow disk its time. */
const PATIENCE_MS = 600_000;

/**
 * Exit status 1 when something could not be deleted that has to go.
 * @throws GrecError ARCHIVE_UNREADABLE, CLOCK_DOUBTFUL, DAEMON_NOT_RUNNING
 */
export async function purge(
  context: CliContext,
  { dryRun = false, trustClock = false }: PurgeOptions,
): Promise<number> {
  const report = await purgeAll(context, { dryRun, trustClock });
  const { next: _, ...shown } = report;
  if (context.json) context.printJson({ dryRun, ...shown });
  else tell(context, report, dryRun);
  const isStuck = report.unfinished.length > 0 || report.kept.some(({ isHeld }) => !isHeld);
  return isStuck ? EXIT.failure : EXIT.ok;
}

async function purgeAll(context: CliContext, asked: Required<PurgeOptions>): Promise<Report> {
  const socket = socketOf(context.config, 'grec-procd');
  const all: Report = { deleted: [], kept: [], unfinished: [], unknownClasses: {}, captures: [], next: 0 };
  while (all.next !== null) {
    const body = { ...asked, from: all.next };
    const part = await askDaemon<Report>('grec-procd', socket, 'POST', '/purge', body, PATIENCE_MS);
    // Where two parts meet, a recording may be in both.
    const known = new Set([...all.deleted, ...all.kept].map(({ id }) => id));
    all.deleted.push(...part.deleted.filter(({ id }) => !known.has(id)));
    all.kept.push(...part.kept.filter(({ id }) => !known.has(id)));
    all.unfinished.push(...part.unfinished);
    all.captures.push(...part.captures);
    for (const [name, count] of Object.entries(part.unknownClasses))
      all.unknownClasses[name] = (all.unknownClasses[name] ?? 0) + count;
    // A dry run would find the same again.
    all.next = part.next === all.next && part.deleted.every(({ id }) => known.has(id)) ? null : part.next;
  }
  return all;
}

function tell(context: CliContext, report: Report, dryRun: boolean): void {
  const { deleted, kept, unfinished, unknownClasses, captures } = report;
  if (deleted.length > 0)
    context.printTable(
      ['ID', 'START', 'SIZE', dryRun ? 'WOULD BE DELETED BY' : 'DELETED BY'],
      deleted.map(({ id, startTime, size, rule }) => [
        shortId(id),
        localTime(Date.parse(startTime)),
        byteSize(size),
        rule,
      ]),
      ['left', 'left', 'right'],
    );
  for (const { segment, rule } of captures) context.print(`capture ${segment}: ${rule}`);
  for (const { id, reason } of kept) context.note(`${shortId(id)} stays: ${reason}`);
  for (const { id, reason } of unfinished)
    context.note(`${shortId(id)} could not be deleted wholly: ${reason}`);
  for (const [name, count] of Object.entries(unknownClasses))
    context.note(
      `${count} recordings name the class ${JSON.stringify(name)}, which is not configured: they stay`,
    );
  const what = dryRun ? 'would be deleted' : 'deleted';
  context.note(`${deleted.length} recordings and ${captures.length} captures ${what}, ${kept.length} stay`);
}
