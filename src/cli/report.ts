// `grec report`: sums of what voice activity told, by DN, agent or day.
import { GrecError } from '../errors.ts';
import { openIndexReader } from '../index/index.ts';
import type { ReportBy, ReportFilter, ReportRow } from '../index/rows.ts';
import { note } from './audited.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { describeBehind, measureBehind } from './index-command.ts';
import { clockDuration } from './table.ts';
import { readTime } from './time.ts';

export interface ReportOptions {
  by: ReportBy;
  since?: string;
  until?: string;
  csv?: boolean;
}

const TITLES: Record<ReportBy, string> = { dn: 'DN', agent: 'AGENT', day: 'DAY' };

/** @throws GrecError USAGE, INDEX_UNUSABLE, CATALOG_UNUSABLE, AUDIT_UNWRITABLE */
export async function report(context: CliContext, options: ReportOptions): Promise<number> {
  const { by, since, until, csv } = options;
  const filter = readFilter(options, Date.now());
  const index = openIndexReader(context.config.paths.index);
  try {
    const rows = index.report(by, filter);
    await note(context, { what: 'list', details: { report: by, since, until, found: rows.length } });
    if (context.json) context.printJson(rows.map((row) => withMeans(by, row)));
    else if (csv === true) context.print(...csvLines(rows.map((row) => withMeans(by, row))));
    else show(context, by, rows);
    const behind = describeBehind(await measureBehind(context, index));
    if (behind !== undefined) context.note(context.withCommands(behind));
  } finally {
    index.close();
  }
  return EXIT.ok;
}

function readFilter({ since, until }: ReportOptions, now: number): ReportFilter {
  const filter: ReportFilter = {};
  if (since !== undefined) filter.since = readTime(since, now);
  if (until !== undefined) filter.until = readTime(until, now);
  if (filter.since !== undefined && filter.until !== undefined && filter.since >= filter.until)
    throw new GrecError('USAGE', `--since ${since} is not before --until ${until}`);
  return filter;
}

/** A row as data: what it is grouped by has its own name. */
function withMeans(by: ReportBy, { group, ...sums }: ReportRow): Record<string, string | number | null> {
  return { [by]: group, ...sums };
}

/** RFC 4180, but for the line ends, which are those of Unix. */
function csvLines(rows: readonly Record<string, string | number | null>[]): string[] {
  const [first] = rows;
  if (first === undefined) return [];
  const line = (cells: readonly unknown[]) => cells.map(csvCell).join(',');
  return [line(Object.keys(first)), ...rows.map((row) => line(Object.values(row)))];
}

function csvCell(value: unknown): string {
  const text = value === null ? '' : String(value);
  // What a spreadsheet would take for a formula: names come from the network.
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function show(context: CliContext, by: ReportBy, rows: readonly ReportRow[]): void {
  if (rows.length === 0) return context.note('no recordings found');
  context.printTable(
    [
      TITLES[by],
      'CALLS',
      'LENGTH',
      'AGENT',
      'CUSTOMER',
      'BOTH',
      'SILENCE',
      'LONGEST',
      'HOLD',
      'INTERRUPTS',
      'FIRST WORD',
    ],
    rows.map((row) => [
      row.group || '-',
      `${row.recordings}`,
      clockDuration(row.duration),
      clockDuration(row.agentTalk),
      clockDuration(row.customerTalk),
      clockDuration(row.talkOver),
      clockDuration(row.silence),
      clockDuration(row.longestSilence),
      clockDuration(row.hold),
      `${row.agentInterruptions}/${row.customerInterruptions}`,
      row.agentFirstWord === null ? '-' : `${(row.agentFirstWord / 1000).toFixed(1)} s`,
    ]),
    ['left', ...Array.from({ length: 10 }, () => 'right' as const)],
  );
}
