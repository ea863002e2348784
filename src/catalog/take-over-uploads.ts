// What a catalog that is made anew takes over of the one before: which copies there are, and which are still to be made or removed.
import { existsSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { SCHEMA_VERSION } from './schema.ts';

const COLUMNS =
  'recording, storage, task, state, path, files, round, since, attempts, next_at, reason, done_at, size';

const TAKE_OVER = `
  INSERT OR REPLACE INTO storages (name, problem, problem_since) SELECT name, problem, problem_since FROM before.storages;
  INSERT OR REPLACE INTO uploads (${COLUMNS}) SELECT ${COLUMNS} FROM before.uploads;
  INSERT OR IGNORE INTO changed (id) SELECT id FROM before.changed;
  -- Of which the one before did not know.
  INSERT OR IGNORE INTO changed (id) SELECT id FROM recordings
    WHERE path IS NOT NULL AND id NOT IN (SELECT recording FROM uploads);
  UPDATE uploads SET task = 'remove', state = 'waiting', round = round + 1, attempts = 0, next_at = 0, reason = NULL
    WHERE task = 'copy' AND recording IN (SELECT id FROM deleted);
`;

/**
 * All or nothing. Throws SQLite's errors.
 * @param before the file of the other catalog
 * @returns false when there is none that can be read by this program
 */
export function takeOverUploads(db: Database, before: string): boolean {
  if (!existsSync(before)) return false;
  db.prepare('ATTACH ? AS before').run(before);
  try {
    if (db.pragma('before.user_version', { simple: true }) !== SCHEMA_VERSION) return false;
    db.transaction(() => db.exec(TAKE_OVER))();
    return true;
  } finally {
    db.exec('DETACH before');
  }
}
