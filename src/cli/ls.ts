// `grec ls`: the recordings in the catalog, newest first.
import { openCatalogReader } from '../catalog/catalog.ts';
import type { RecordingFilter, RecordingRow, RecordingState } from '../catalog/rows.ts';
import { GrecError } from '../errors.ts';
import { note } from './audited.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { clockDuration, localTime } from './table.ts';
import { readTime } from './time.ts';

export interface LsOptions {
  since?: string;
  until?: string;
  number?: string;
  state?: RecordingState;
  label?: string;
  held?: boolean;
  limit: number;
}

const SHORT_ID_LENGTH = 8;

/** The end of a UUIDv7 is random; its beginning is a time and much alike in neighbours. */
export function shortId(id: string): string {
  return id.slice(-SHORT_ID_LENGTH);
}

/** @throws GrecError USAGE, CATALOG_UNUSABLE */
export async function ls(context: CliContext, options: LsOptions): Promise<number> {
  const filter = readFilter(options, Date.now());
  const catalog = openCatalogReader(context.config.paths.catalog);
  try {
    // One more than is shown tells whether there are more.
    const rows = catalog.list({ ...filter, limit: options.limit + 1 });
    const { since, until, number, state, label, held } = options;
    const found = Math.min(rows.length, options.limit);
    await note(context, { what: 'list', details: { since, until, number, state, label, held, found } });
    show(context, rows.slice(0, options.limit), rows.length > options.limit);
  } finally {
    catalog.close();
  }
  return EXIT.ok;
}

function readFilter({ since, until, number, state, label, held }: LsOptions, now: number): RecordingFilter {
  const filter: RecordingFilter = {};
  if (since !== undefined) filter.since = readTime(since, now);
  if (until !== undefined) filter.until = readTime(until, now);
  if (number !== undefined) filter.number = number;
  if (state !== undefined) filter.state = state;
  if (label !== undefined) filter.label = label;
  if (held === true) filter.isHeld = true;
  if (filter.since !== undefined && filter.until !== undefined && filter.since >= filter.until)
    throw new GrecError('USAGE', `--since ${since} is not before --until ${until}`);
  return filter;
}

function show(context: CliContext, rows: RecordingRow[], isCut: boolean): void {
  if (context.json) return context.printJson(rows.map(showRow));
  if (rows.length === 0) return context.note('no recordings found');
  context.printTable(
    ['ID', 'START', 'LENGTH', 'CALL', 'DN', 'STATE'],
    rows.map((row) => [
      shortId(row.id),
      localTime(row.startTime),
      clockDuration(row.duration),
      `${row.caller} → ${row.callee}`,
      row.dn ?? '-',
      row.reason === null ? row.state : `${row.state}: ${row.reason}`,
    ]),
    ['left', 'left', 'right'],
  );
  if (isCut) context.note(`the newest ${rows.length} are shown; --limit shows more`);
}

/** A row as JSON: times in ISO 8601. */
export function showRow(row: RecordingRow) {
  return { ...row, startTime: new Date(row.startTime).toISOString() };
}
