// Questions of Web Services: pages of recordings, in the order of their time, of those that somebody may see.
import type { Database } from 'better-sqlite3';
import { prepared } from './prepared.ts';
import { COLUMNS, type RecordingRow } from './rows.ts';

/** Where a page ended. */
export interface PagePlace {
  /** Milliseconds since 1970. */
  startTime: number;
  id: string;
}

export interface PageFilter {
  /** Recorded DNs of which any is meant; null: all, and those without one. */
  dns: readonly string[] | null;
  /** `*` stands for anything. */
  caller?: string | undefined;
  callee?: string | undefined;
  dn?: string | undefined;
  /** Milliseconds since 1970: from the one on, before the other. */
  since?: number | undefined;
  until?: number | undefined;
  /** Milliseconds of audio, both included. */
  minDuration?: number | undefined;
  maxDuration?: number | undefined;
  direction?: string | undefined;
  state?: string | undefined;
  sessionId?: string | undefined;
  label?: string | undefined;
  isHeld?: boolean | undefined;
  isOldestFirst?: boolean;
  after?: PagePlace | undefined;
  limit: number;
}

export interface PageRow extends RecordingRow {
  labels: string[];
  isHeld: boolean;
}

const CONDITIONS: Partial<Record<keyof PageFilter, string>> = {
  caller: 'caller GLOB @caller',
  callee: 'callee GLOB @callee',
  dn: 'dn = @dn',
  since: 'start_time >= @since',
  until: 'start_time < @until',
  minDuration: 'duration >= @minDuration',
  maxDuration: 'duration <= @maxDuration',
  direction: 'direction = @direction',
  state: 'state = @state',
  sessionId: 'session_id = @sessionId',
  label: 'id IN (SELECT recording FROM labels WHERE label = @label)',
};
/** Null when there is none: a label has no line feed. */
const LABELS = `(SELECT group_concat(label, char(10)) FROM labels WHERE recording = id) AS labels`;
const HELD = 'EXISTS (SELECT 1 FROM holds WHERE recording = id) AS isHeld';

export function pageOf(db: Database, filter: PageFilter): PageRow[] {
  const { dns, after, isHeld, isOldestFirst = false } = filter;
  const conditions = ['id NOT IN (SELECT id FROM deleted)'];
  for (const [key, condition] of Object.entries(CONDITIONS))
    if (filter[key as keyof PageFilter] !== undefined) conditions.push(condition);
  if (dns !== null) conditions.push('dn IN (SELECT value FROM json_each(@dns))');
  if (isHeld !== undefined) conditions.push(`id ${isHeld ? '' : 'NOT'} IN (SELECT recording FROM holds)`);
  if (after !== undefined)
    conditions.push(`(start_time, id) ${isOldestFirst ? '>' : '<'} (@afterTime, @afterId)`);
  const order = isOldestFirst ? 'start_time, id' : 'start_time DESC, id DESC';
  const sql = `SELECT ${COLUMNS}, ${LABELS}, ${HELD} FROM recordings
    WHERE ${conditions.join(' AND ')} ORDER BY ${order} LIMIT @limit`;
  type Row = RecordingRow & { labels: string | null; isHeld: number };
  const rows = prepared<[object], Row>(db, sql).all({
    ...filter,
    dns: JSON.stringify(dns),
    caller: globOf(filter.caller),
    callee: globOf(filter.callee),
    isHeld: null,
    isOldestFirst: null,
    after: null,
    afterTime: after?.startTime,
    afterId: after?.id,
  });
  return rows.map((row) => ({
    ...row,
    labels: row.labels?.split('\n').sort() ?? [],
    isHeld: row.isHeld === 1,
  }));
}

/** `*` alone is special. */
function globOf(text: string | undefined): string | undefined {
  return text?.replaceAll(/[[?]/g, '[$&]').replaceAll(/\*+/g, '*');
}
