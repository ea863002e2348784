// What the one writer of the index puts into it: which recordings there are, the queue, and what was found.
import type { Database } from 'better-sqlite3';
import type { MadeRow } from '../catalog/changes.ts';
import type { Analytics } from '../speech/analytics.ts';
import type { SpokenPassage } from '../speech/transcript.ts';
import { type Facets, facetCharacter, facetNames } from './facets.ts';
import { guarded } from './guarded.ts';
import { freeKey } from './key.ts';
import { type IndexReader, indexReader } from './reader.ts';
import type { IndexedRow } from './rows.ts';
import { tagger } from './tags.ts';
import type { Topic } from './topics.ts';

/** How far the catalog has been looked at. */
export interface Followed {
  /** Milliseconds since 1970. */
  finishedAt: number;
  /** The number of the last act that deleted. */
  act: number;
}

/** What was found in a recording. */
export interface Found {
  madeOf: string | undefined;
  agent: string | undefined;
  analytics: Analytics;
  /** What was said; empty when nothing was, or nothing heard it. */
  passages: readonly SpokenPassage[];
}

/** Which recordings are to be looked into again: all, all with their transcripts, those that could not be indexed, or one. */
export type Redone = 'all' | 'transcripts' | 'problems' | { id: string };

/** Every method throws GrecError INDEX_UNUSABLE when SQLite refuses. */
export interface IndexWriter extends IndexReader {
  /** All of `work` or nothing of it. */
  transaction<T>(work: () => T): T;
  followed(): Followed;
  setFollowed(followed: Followed): void;
  /** Adds a recording, or what is new of it, and puts it into the queue, unless it is known as it is. @returns whether it was not */
  put(row: MadeRow, now: number): boolean;
  /** Which recordings it has in this range of times and ids, the first excluded; without an end, all after it. */
  between(from: readonly [number, string], to?: readonly [number, string]): string[];
  /** Forgets a recording and all that was found in it. @returns whether it was there */
  drop(id: string): boolean;
  /**
   * The next one that is due: the newest first. It is noted as tried, so that one that ends the indexer does not do so at once again.
   * @param retryAt when it is due again should nothing come of it
   */
  take(now: number, retryAt: (attempts: number) => number): IndexedRow | undefined;
  /** What was found in a recording; nothing is noted when it has changed meanwhile. @returns topics that it was not about before */
  done(row: IndexedRow, found: Found, topics?: readonly Topic[]): string[];
  /** Nothing has changed of what was found before. */
  doneAsBefore(row: IndexedRow): void;
  /** @param retryAt milliseconds since 1970; null when only a change of the recording can help */
  failed(row: IndexedRow, problem: string, retryAt: number | null): void;
  /** Forgets what was found in a recording, and not the recording. */
  empty(row: IndexedRow): void;
  /** It was taken, and nothing was tried. */
  putBack(row: IndexedRow, now: number): void;
  /** Has all recordings tagged anew, by {@link retagSome}. */
  retagAll(): void;
  /** Tags the next of them, the newest first. @returns whether there were any */
  retagSome(topics: readonly Topic[], most: number): boolean;
  /** Puts recordings into the queue. @returns how many */
  redo(which: Redone, now: number): number;
}

export function indexWriter(db: Database, file: string): IndexWriter {
  const guard = <T>(work: () => T): T => guarded(file, work);
  const sql = prepareAll(db);
  const tags = tagger(db);
  const all = <T>(work: () => T): T => guard(() => db.transaction(work)());
  return {
    ...indexReader(db, file),
    transaction: all,
    followed: () => guard(() => sql.followed.get() ?? { finishedAt: 0, act: 0 }),
    setFollowed: (followed) => guard(() => void sql.setFollowed.run(followed)),
    put: (row, now) => all(() => put(sql, row, now)),
    between: ([time, id], [untilTime, untilId] = [Number.MAX_SAFE_INTEGER, '']) =>
      guard(() => sql.between.all(time, id, untilTime, untilId).map((row) => row.id)),
    drop: (id) => all(() => drop(sql, id)),
    take: (now, retryAt) =>
      all(() => {
        const row = sql.next.get(now);
        if (row !== undefined) sql.tried.run(retryAt(row.attempts + 1), row.key);
        return row;
      }),
    done: (row, { madeOf, agent, analytics, passages }, topics = []) =>
      all(() => {
        const noted = { key: row.key, finishedAt: row.finishedAt, agent: agent ?? null };
        if (sql.done.run({ ...noted, madeOf: madeOf ?? null }).changes === 0) return [];
        putAnalytics(sql, row.key, analytics);
        putPassages(sql, { ...row, agent: agent ?? null }, passages);
        return tags.tag(row.key, row.startTime, row.duration, topics);
      }),
    doneAsBefore: ({ key, finishedAt }) => guard(() => void sql.doneAsBefore.run({ key, finishedAt })),
    failed: ({ key, finishedAt, attempts, isAnew }, problem, retryAt) =>
      guard(() => void sql.failed.run({ key, finishedAt, problem, retryAt, attempts: attempts + 1, isAnew })),
    empty: ({ key }) =>
      all(() => {
        for (const forget of sql.forgetsFound) forget.run(key);
      }),
    putBack: ({ key, finishedAt, attempts }, now) =>
      guard(() => void sql.putBack.run({ key, finishedAt, attempts, now })),
    retagAll: () => guard(() => void sql.retagFrom.run(Number.MAX_SAFE_INTEGER)),
    retagSome: (topics, most) =>
      all(() => {
        const rows = sql.toTag.all(most);
        for (const { key, startTime, duration } of rows) tags.tag(key, startTime, duration, topics);
        if (rows.length > 0) sql.retagFrom.run(rows.at(-1)?.key ?? null);
        else sql.retagDone.run();
        return rows.length > 0;
      }),
    redo: (which, now) =>
      guard(() => {
        if (typeof which === 'object') return sql.redoOne.run(now, which.id).changes;
        return sql.redo[which].run(now).changes;
      }),
  };
}

const REDO = 'UPDATE recordings SET due_at = ?, attempts = 0, problem = NULL, made_of = NULL';
const FORGETS_TEXT = [
  'DELETE FROM words WHERE rowid IN (SELECT key FROM passages WHERE recording = ?)',
  'DELETE FROM passages WHERE recording = ?',
];
const FORGETS_FOUND = [
  ...FORGETS_TEXT,
  'DELETE FROM party_talk WHERE recording = ?',
  'DELETE FROM tags WHERE recording = ?',
  'DELETE FROM talk WHERE recording = ?',
];
const FORGETS = [...FORGETS_FOUND, 'DELETE FROM recordings WHERE key = ?'];

type Statements = ReturnType<typeof prepareAll>;

function put(sql: Statements, row: MadeRow, now: number): boolean {
  const known = sql.byId.get(row.id);
  if (known?.finishedAt === row.finishedAt && known.path === row.path) return false;
  if (known?.startTime === row.startTime) {
    sql.change.run({ ...row, key: known.key, now });
    return true;
  }
  if (known !== undefined) drop(sql, row.id);
  const key = freeKey(row.startTime, (below) => sql.greatestBelow.get(below)?.key ?? undefined);
  sql.add.run({ ...row, key, now });
  return true;
}

function drop(sql: Statements, id: string): boolean {
  const known = sql.byId.get(id);
  if (known === undefined) return false;
  for (const forget of sql.forgets) forget.run(known.key);
  return true;
}

function putAnalytics(sql: Statements, recording: number, { parties, ...sums }: Analytics): void {
  sql.putTalk.run({ ...sums, recording, firstWord: sums.firstWord ?? null });
  sql.dropParties.run(recording);
  for (const [place, party] of parties.entries()) {
    const { dn = null, agentId = null, firstWord = null } = party;
    sql.putParty.run({ ...party, recording, place, dn, agentId, firstWord });
  }
}

function putPassages(sql: Statements, row: IndexedRow, passages: readonly SpokenPassage[]): void {
  for (const forget of sql.forgetsText) forget.run(row.key);
  // Files may have been written by others: nothing in them lies beyond the recording.
  const within = (ms: number) => Math.min(row.duration, Math.round(ms));
  for (const { channel, role = null, confidence = null, text, ...span } of passages) {
    const [from, to] = [within(span.from), within(span.to)];
    const key = freeKey(
      row.startTime + from,
      (below) => sql.greatestPassageBelow.get(below)?.key ?? undefined,
    );
    sql.putPassage.run({ key, recording: row.key, channel, role, from, to, confidence });
    // Private use characters are facets and marks here.
    sql.putWords.run(
      key,
      text.replaceAll(/[\p{Co}\p{Cc}]/gu, ' '),
      facetsOf(sql, { role, dn: row.dn, agent: row.agent }),
    );
  }
}

function facetsOf(sql: Statements, facets: Facets): string {
  const ids = facetNames(facets).map(
    (name) => sql.facet.get(name)?.id ?? sql.newFacet.get(name)?.id ?? Infinity,
  );
  return ids.flatMap((id) => facetCharacter(id) ?? []).join(' ');
}

function prepareAll(db: Database) {
  return {
    followed: db.prepare<[], Followed>('SELECT finished_at AS finishedAt, act FROM followed'),
    setFollowed: db.prepare<[Followed]>('UPDATE followed SET finished_at = @finishedAt, act = @act'),
    byId: db.prepare<[string], Pick<IndexedRow, 'key' | 'finishedAt' | 'path' | 'startTime'>>(
      'SELECT key, finished_at AS finishedAt, path, start_time AS startTime FROM recordings WHERE id = ?',
    ),
    greatestBelow: db.prepare<[number], { key: number | null }>(
      'SELECT max(key) AS key FROM recordings WHERE key < ?',
    ),
    add: db.prepare<[object]>(
      `INSERT INTO recordings (key, id, state, direction, start_time, duration, caller, callee, dn, path, finished_at, due_at)
       VALUES (@key, @id, @state, @direction, @startTime, @duration, @caller, @callee, @dn, @path, @finishedAt, @now)`,
    ),
    change: db.prepare<[object]>(
      `UPDATE recordings SET state = @state, direction = @direction, duration = @duration, caller = @caller,
         callee = @callee, dn = @dn, path = @path, finished_at = @finishedAt, due_at = @now, attempts = 0, problem = NULL
       WHERE key = @key`,
    ),
    between: db.prepare<[number, string, number, string], { id: string }>(
      'SELECT id FROM recordings WHERE (start_time, id) > (?, ?) AND (start_time, id) <= (?, ?)',
    ),
    forgetsText: FORGETS_TEXT.map((sql) => db.prepare<[number]>(sql)),
    forgetsFound: FORGETS_FOUND.map((sql) => db.prepare<[number]>(sql)),
    forgets: FORGETS.map((sql) => db.prepare<[number]>(sql)),
    next: db.prepare<[number], IndexedRow>(
      `SELECT key, id, state, direction, start_time AS startTime, duration, caller, callee, dn, agent, path,
         finished_at AS finishedAt, made_of AS madeOf, is_anew AS isAnew, attempts
       FROM recordings WHERE due_at <= ? ORDER BY due_at DESC, key DESC LIMIT 1`,
    ),
    tried: db.prepare<[number, number]>(
      'UPDATE recordings SET attempts = attempts + 1, due_at = ? WHERE key = ?',
    ),
    done: db.prepare<[object]>(
      `UPDATE recordings SET due_at = NULL, attempts = 0, problem = NULL, made_of = @madeOf, agent = @agent, is_anew = 0
       WHERE key = @key AND finished_at = @finishedAt`,
    ),
    doneAsBefore: db.prepare<[object]>(
      `UPDATE recordings SET due_at = NULL, attempts = 0, problem = NULL
       WHERE key = @key AND finished_at = @finishedAt`,
    ),
    failed: db.prepare<[object]>(
      `UPDATE recordings SET due_at = @retryAt, problem = @problem, attempts = @attempts, made_of = NULL, is_anew = @isAnew WHERE key = @key AND finished_at = @finishedAt`,
    ),
    retagFrom: db.prepare<[number | null]>('UPDATE followed SET tags_before = ?'),
    retagDone: db.prepare('UPDATE followed SET tags_before = NULL WHERE tags_before IS NOT NULL'),
    toTag: db.prepare<[number], { key: number; startTime: number; duration: number }>(
      `SELECT key, start_time AS startTime, duration FROM recordings
       WHERE key < (SELECT tags_before FROM followed) ORDER BY key DESC LIMIT ?`,
    ),
    putBack: db.prepare<[object]>(
      'UPDATE recordings SET due_at = @now, attempts = @attempts WHERE key = @key AND finished_at = @finishedAt',
    ),
    redo: {
      all: db.prepare<[number]>(REDO),
      transcripts: db.prepare<[number]>(`${REDO}, is_anew = 1`),
      problems: db.prepare<[number]>(`${REDO} WHERE problem IS NOT NULL`),
    },
    redoOne: db.prepare<[number, string]>(`${REDO} WHERE id = ?`),
    greatestPassageBelow: db.prepare<[number], { key: number | null }>(
      'SELECT max(key) AS key FROM passages WHERE key < ?',
    ),
    putPassage: db.prepare<[object]>(
      `INSERT INTO passages (key, recording, channel, role, from_ms, to_ms, confidence)
       VALUES (@key, @recording, @channel, @role, @from, @to, @confidence)`,
    ),
    facet: db.prepare<[string], { id: number }>('SELECT id FROM facets WHERE name = ?'),
    newFacet: db.prepare<[string], { id: number }>('INSERT INTO facets (name) VALUES (?) RETURNING id'),
    putWords: db.prepare<[number, string, string]>(
      'INSERT INTO words (rowid, text, facets) VALUES (?, ?, ?)',
    ),
    putTalk: db.prepare<[object]>(
      `INSERT OR REPLACE INTO talk (recording, duration, talk, silence, longest_silence, longest_silence_at, talk_over,
         first_word, hold, holds, masked)
       VALUES (@recording, @duration, @talk, @silence, @longestSilence, @longestSilenceAt, @talkOver, @firstWord, @hold,
         @holds, @masked)`,
    ),
    dropParties: db.prepare<[number]>('DELETE FROM party_talk WHERE recording = ?'),
    putParty: db.prepare<[object]>(
      `INSERT INTO party_talk (recording, place, channel, role, number, dn, agent, talk, silence, turns, longest_turn,
         interruptions, first_word)
       VALUES (@recording, @place, @channel, @role, @number, @dn, @agentId, @talk, @silence, @turns, @longestTurn,
         @interruptions, @firstWord)`,
    ),
  };
}
