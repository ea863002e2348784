// The schema of the index: numbered migrations, remembered in SQLite's user_version.
import type { Database } from 'better-sqlite3';
import { GrecError } from '../errors.ts';

/** What each version adds to the one before. A migration that has been released is never edited. */
const MIGRATIONS = [
  `
  CREATE TABLE recordings (
    -- The time of its beginning, so that newest first is by this; see key.ts.
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    direction TEXT,
    start_time INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    caller TEXT NOT NULL,
    callee TEXT NOT NULL,
    dn TEXT,
    agent TEXT,
    path TEXT NOT NULL,
    -- When it was finished, as the catalog has it.
    finished_at INTEGER NOT NULL,
    -- What its metadata said it was made of when it was indexed; null before.
    made_of TEXT,
    -- It is to be transcribed again, although there is a transcript.
    is_anew INTEGER NOT NULL DEFAULT 0 CHECK (is_anew IN (0, 1)),
    -- The queue: when it is to be indexed, or to be tried again; null when that is done.
    due_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- Why it could not be indexed.
    problem TEXT
  ) STRICT;
  CREATE INDEX recordings_by_time ON recordings (start_time, id);
  CREATE INDEX recordings_by_dn ON recordings (dn, key);
  CREATE INDEX recordings_by_agent ON recordings (agent, key);
  CREATE INDEX recordings_by_caller ON recordings (caller, key);
  CREATE INDEX recordings_by_callee ON recordings (callee, key);
  CREATE INDEX recordings_due ON recordings (due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX recordings_problem ON recordings (key) WHERE problem IS NOT NULL;

  -- Milliseconds, all of them.
  CREATE TABLE talk (
    recording INTEGER PRIMARY KEY,
    duration INTEGER NOT NULL,
    talk INTEGER NOT NULL,
    silence INTEGER NOT NULL,
    longest_silence INTEGER NOT NULL,
    longest_silence_at INTEGER NOT NULL,
    talk_over INTEGER NOT NULL,
    first_word INTEGER,
    hold INTEGER NOT NULL,
    holds INTEGER NOT NULL,
    masked INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE party_talk (
    recording INTEGER NOT NULL,
    place INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    role TEXT NOT NULL,
    number TEXT NOT NULL,
    dn TEXT,
    agent TEXT,
    talk INTEGER NOT NULL,
    silence INTEGER NOT NULL,
    turns INTEGER NOT NULL,
    longest_turn INTEGER NOT NULL,
    interruptions INTEGER NOT NULL,
    first_word INTEGER,
    PRIMARY KEY (recording, place)
  ) STRICT, WITHOUT ROWID;

  -- What was said, passage by passage: the text of a passage is in "words", under the same key.
  CREATE TABLE passages (
    -- When it was said, so that newest first is by this; see key.ts.
    key INTEGER PRIMARY KEY,
    recording INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    role TEXT,
    -- Milliseconds from the beginning of the recording.
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    confidence REAL
  ) STRICT;
  CREATE INDEX passages_by_recording ON passages (recording);
  -- "facets": party, DN and agent as one character each, so that a question with both is one walk through the index; see facets.ts.
  CREATE VIRTUAL TABLE words USING fts5(text, facets, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3 4');
  CREATE TABLE facets (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
  ) STRICT;
  -- What is deleted is not to be found in the file either.
  INSERT INTO words (words, rank) VALUES ('secure-delete', 1);

  -- Which passages are about which topic.
  CREATE TABLE tags (
    topic TEXT NOT NULL,
    passage INTEGER NOT NULL,
    recording INTEGER NOT NULL,
    PRIMARY KEY (topic, passage)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tags_by_recording ON tags (recording);

  -- How far the catalog has been looked at; and to which recording, from the newest on, tags are made anew.
  CREATE TABLE followed (
    finished_at INTEGER NOT NULL,
    act INTEGER NOT NULL,
    tags_before INTEGER
  ) STRICT;
  INSERT INTO followed (finished_at, act) VALUES (0, 0);
  `,
] as const;

export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the schema to {@link SCHEMA_VERSION}, each step in its own transaction.
 * @throws GrecError INDEX_UNUSABLE when the index is newer than this program
 */
export function migrate(db: Database, file: string): void {
  const found = versionOf(db);
  refuseNewer(found, file);
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < found) continue;
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${index + 1}`);
    }).immediate();
  }
}

/** @throws GrecError INDEX_UNUSABLE unless the index has exactly this program's schema */
export function requireSchema(db: Database, file: string): void {
  const found = versionOf(db);
  refuseNewer(found, file);
  if (found === SCHEMA_VERSION) return;
  throw new GrecError('INDEX_UNUSABLE', `the index ${file} has the older schema ${found}`, {
    hint: `start this version's grec-procd once: it brings the index to schema ${SCHEMA_VERSION}`,
  });
}

function versionOf(db: Database): number {
  return Number(db.pragma('user_version', { simple: true }));
}

function refuseNewer(found: number, file: string): void {
  if (found <= SCHEMA_VERSION) return;
  throw new GrecError(
    'INDEX_UNUSABLE',
    `the index ${file} has schema ${found}, this grec knows ${SCHEMA_VERSION}`,
    { hint: 'it was written by a newer grec: upgrade this one, or remove the file and let it be made again' },
  );
}
