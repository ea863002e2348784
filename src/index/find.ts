// Finding: words and what is known of recordings in one question, the newest first.
import type { Database } from 'better-sqlite3';
import { facetCharacter, facetNames } from './facets.ts';
import { keyAt } from './key.ts';
import type { FindFilter, FoundPassage, FoundRecording } from './rows.ts';

/** Around the words that matched. A private use character is in no text that is spoken. */
export const MARKS = { begin: '\ue000', end: '\ue001' } as const;
const SNIPPET_WORDS = 16;
/** No passage begins later in a recording than this, in milliseconds. */
const LONGEST_RECORDING_MS = 7 * 86_400_000;

const RECORDING = `r.id, r.state, r.direction, r.start_time AS startTime, r.duration, r.caller, r.callee, r.dn, r.agent`;

/** Passages with these words. @param match as readQuery gives it */
export function findPassages(db: Database, match: string, filter: FindFilter): FoundPassage[] {
  const facets = facetsOf(db, filter);
  if (facets === undefined) return [];
  const asked = [match, ...facets.map((facet) => `{facets} : ("${facet}")`)].map((part) => `(${part})`);
  const conditions = ['words MATCH @match', ...conditionsOn(filter)];
  if (filter.since !== undefined) conditions.push('words.rowid >= @fromKey');
  if (filter.until !== undefined) conditions.push('words.rowid < @toKey');
  if (filter.party !== undefined) conditions.push('p.role = @party');
  if (filter.number !== undefined) conditions.push('@number IN (r.caller, r.callee, r.dn)');
  const sql = `SELECT ${RECORDING}, p.channel, p.role AS party, p.from_ms AS "from", p.to_ms AS "to", p.confidence,
      snippet(words, 0, @begin, @end, '…', ${SNIPPET_WORDS}) AS snippet
    FROM words JOIN passages p ON p.key = words.rowid JOIN recordings r ON r.key = p.recording
    WHERE ${conditions.join(' AND ')} ORDER BY ${ORDERS[filter.sort ?? 'newest']} LIMIT @limit`;
  const { since, until } = filter;
  // FTS5 takes whole numbers alone for a range, and to SQLite a number of JavaScript this large is none.
  const keys = {
    fromKey: BigInt(keyAt(since ?? 0)),
    toKey: BigInt(keyAt((until ?? 0) + LONGEST_RECORDING_MS)),
  };
  return db
    .prepare<[object], FoundPassage>(sql)
    .all({ ...valuesOf(filter), ...keys, ...MARKS, match: asked.join(' AND ') });
}

const ORDERS = {
  newest: 'words.rowid DESC',
  oldest: 'words.rowid',
  relevance: 'bm25(words, 1.0, 0.0), words.rowid DESC',
} as const;

/** Recordings alone, whatever was said in them. */
export function findRecordings(db: Database, filter: FindFilter): FoundRecording[] {
  const conditions = conditionsOn(filter);
  const order = `ORDER BY r.key ${filter.sort === 'oldest' ? '' : 'DESC'} LIMIT @limit`;
  const rowsWith = (column?: string) => {
    const all = column === undefined ? conditions : [...conditions, `r.${column} = @number`];
    return `SELECT r.key FROM recordings r ${all.length === 0 ? '' : `WHERE ${all.join(' AND ')}`} ${order}`;
  };
  // Each by the index of its column: what fits all of them is not looked at one by one.
  const keys =
    filter.number === undefined
      ? rowsWith()
      : ['caller', 'callee', 'dn'].map((column) => `SELECT key FROM (${rowsWith(column)})`).join(' UNION ');
  const sql = `SELECT ${RECORDING} FROM recordings r WHERE r.key IN (${keys}) ${order}`;
  return db.prepare<[object], FoundRecording>(sql).all(valuesOf({ ...filter }));
}

/** On recordings; the number apart, where there are no words. */
function conditionsOn({ since, until, dn, agent, topics, longerThan, shorterThan }: FindFilter): string[] {
  return [
    ...(since === undefined ? [] : ['r.key >= @sinceKey']),
    ...(until === undefined ? [] : ['r.key < @untilKey']),
    ...(dn === undefined ? [] : ['r.dn = @dn']),
    ...(agent === undefined ? [] : ['r.agent = @agent']),
    ...(topics === undefined
      ? []
      : [
          'EXISTS (SELECT 1 FROM tags t WHERE t.recording = r.key AND t.topic IN (SELECT value FROM json_each(@topics)))',
        ]),
    ...(longerThan === undefined ? [] : ['r.duration > @longerThan']),
    ...(shorterThan === undefined ? [] : ['r.duration < @shorterThan']),
  ];
}

function valuesOf({ since, until, topics, sort: _, ...filter }: FindFilter): object {
  return {
    ...filter,
    topics: JSON.stringify(topics ?? []),
    sinceKey: keyAt(since ?? 0),
    untilKey: keyAt(until ?? 0),
  };
}

/** The characters of what is asked for; undefined when no passage has one of these. */
function facetsOf(db: Database, { party, dn, agent }: FindFilter): string[] | undefined {
  const find = db.prepare<[string], { id: number }>('SELECT id FROM facets WHERE name = ?');
  const ids = facetNames({ role: party, dn, agent }).map((name) => find.get(name)?.id);
  if (ids.some((id) => id === undefined)) return undefined;
  return ids.flatMap((id) => facetCharacter(id ?? 0) ?? []);
}
