// The catalog's schema: numbered migrations, remembered in SQLite's user_version.
import type { Database } from 'better-sqlite3';
import { GrecError } from '../errors.ts';

/** What each version adds to the one before. A migration that has been released is never edited. */
const MIGRATIONS = [
  `
  CREATE TABLE recordings (
    id TEXT PRIMARY KEY,
    session_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('complete', 'partial', 'failed')),
    reason TEXT,
    direction TEXT,
    start_time INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    caller TEXT NOT NULL,
    callee TEXT NOT NULL,
    dn TEXT,
    path TEXT,
    size INTEGER NOT NULL,
    finished_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX recordings_by_time ON recordings (start_time, id);
  CREATE INDEX recordings_by_caller ON recordings (caller, start_time);
  CREATE INDEX recordings_by_callee ON recordings (callee, start_time);
  CREATE INDEX recordings_by_dn ON recordings (dn, start_time);

  -- Which recording a spool segment became: a segment found here is done and may leave the spool.
  CREATE TABLE segments (
    id TEXT PRIMARY KEY,
    recording TEXT NOT NULL,
    -- 1 when not all of it became audio: then it is set aside, not deleted.
    kept INTEGER NOT NULL CHECK (kept IN (0, 1))
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE alarms (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('warning', 'major')),
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    -- One alarm for each cause, however often the work is repeated.
    cause TEXT NOT NULL UNIQUE
  ) STRICT;

  -- How far each journal has been taken in, and the events of calls that are not settled yet.
  CREATE TABLE checkpoints (
    journal TEXT PRIMARY KEY,
    file TEXT NOT NULL,
    offset INTEGER NOT NULL,
    seq INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE pending_events (
    journal TEXT NOT NULL,
    seq INTEGER NOT NULL,
    call TEXT NOT NULL,
    event TEXT NOT NULL,
    -- A journal that lost its end uses numbers again: the same event is the one of the same time, too.
    at INTEGER NOT NULL,
    PRIMARY KEY (journal, seq, at)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX pending_events_by_call ON pending_events (call);
  `,
  `
  -- The class that the recording names: '' when it names none, null when that is not known yet.
  ALTER TABLE recordings ADD COLUMN retention TEXT;
  CREATE INDEX segments_by_recording ON segments (recording);

  -- What the acts of the archive say, as far as they have been taken in.
  CREATE TABLE acts (through INTEGER NOT NULL) STRICT;
  INSERT INTO acts (through) VALUES (0);
  CREATE TABLE holds (
    recording TEXT PRIMARY KEY,
    reason TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE labels (
    recording TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (recording, label)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX labels_by_label ON labels (label);
  -- Recordings that were deleted: when (ISO 8601), by which rule, and the number of the act.
  CREATE TABLE deleted (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    rule TEXT NOT NULL,
    act INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Names all that a recording was made of; null when an older grec made it.
  ALTER TABLE recordings ADD COLUMN made_of TEXT;
  
  -- Recordings that have become part of another one of the same conversation.
  CREATE TABLE joined (
    id TEXT PRIMARY KEY,
    recording TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX joined_by_recording ON joined (recording);
  `,
  `
  -- What an alarm was about is done: when, and what it was. Its cause may raise another one from then on.
  ALTER TABLE alarms ADD COLUMN answered_at INTEGER;
  ALTER TABLE alarms ADD COLUMN answer TEXT;

  CREATE INDEX recordings_not_whole ON recordings (finished_at, id) WHERE state <> 'complete';
  -- Recordings that were made again because something can be decoded now: what could decode it then.
  CREATE TABLE tried_again (
    recording TEXT PRIMARY KEY,
    decoders TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- The storages that are configured, and what keeps one from taking anything.
  CREATE TABLE storages (
    name TEXT PRIMARY KEY,
    problem TEXT,
    problem_since INTEGER
  ) STRICT, WITHOUT ROWID;

  -- Copies of recordings in storages, those that are to be made or removed, and those that have failed.
  CREATE TABLE uploads (
    recording TEXT NOT NULL,
    storage TEXT NOT NULL,
    task TEXT NOT NULL CHECK (task IN ('copy', 'remove')),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
    path TEXT NOT NULL,
    -- The names that may be there, as JSON.
    files TEXT NOT NULL,
    round INTEGER NOT NULL,
    since INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    reason TEXT,
    done_at INTEGER,
    size INTEGER,
    PRIMARY KEY (recording, storage)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX uploads_to_do ON uploads (storage, state, next_at);
  CREATE INDEX uploads_failed ON uploads (since) WHERE state = 'failed';

  -- Recordings that were made, made again or joined since somebody looked; nobody looks without a storage.
  CREATE TABLE changed (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TRIGGER recording_made AFTER INSERT ON recordings
    WHEN NEW.path IS NOT NULL AND EXISTS (SELECT 1 FROM storages)
    BEGIN INSERT OR REPLACE INTO changed (id) VALUES (NEW.id); END;
  CREATE TRIGGER recording_joined AFTER INSERT ON joined WHEN EXISTS (SELECT 1 FROM storages)
    BEGIN INSERT OR REPLACE INTO changed (id) VALUES (NEW.id); END;
  -- What is deleted is deleted everywhere.
  CREATE TRIGGER recording_deleted AFTER INSERT ON deleted
    BEGIN
      UPDATE uploads SET task = 'remove', state = 'waiting', round = round + 1, attempts = 0, next_at = 0, reason = NULL,
        since = CAST(unixepoch('subsec') * 1000 AS INTEGER)
      WHERE recording = NEW.id AND task = 'copy';
    END;
  `,
] as const;

export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the schema to {@link SCHEMA_VERSION}, each step in its own transaction.
 * @throws GrecError CATALOG_UNUSABLE when the catalog is newer than this program
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

/** @throws GrecError CATALOG_UNUSABLE unless the catalog has exactly this program's schema */
export function requireSchema(db: Database, file: string): void {
  const found = versionOf(db);
  refuseNewer(found, file);
  if (found === SCHEMA_VERSION) return;
  throw new GrecError('CATALOG_UNUSABLE', `the catalog ${file} has the older schema ${found}`, {
    hint: `start this version's grec-procd once: it brings the catalog to schema ${SCHEMA_VERSION}`,
  });
}

function versionOf(db: Database): number {
  return Number(db.pragma('user_version', { simple: true }));
}

function refuseNewer(found: number, file: string): void {
  if (found <= SCHEMA_VERSION) return;
  throw new GrecError(
    'CATALOG_UNUSABLE',
    `the catalog ${file} has schema ${found}, this grec knows ${SCHEMA_VERSION}`,
    { hint: 'it was written by a newer grec: upgrade this one' },
  );
}
