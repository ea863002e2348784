// The schema of the database of users and tokens: numbered migrations, remembered in SQLite's user_version.
import type { Database } from 'better-sqlite3';
import { GrecError } from '../../errors.ts';

/** A migration that has been released is never edited. */
const MIGRATIONS = [
  `
  CREATE TABLE users (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('agent', 'supervisor', 'admin', 'auditor')),
    -- scrypt with its parameters; null: tokens alone.
    password TEXT,
    -- In the hierarchy, such as /A/B.
    place TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE user_dns (
    user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    dn TEXT NOT NULL,
    PRIMARY KEY (user, dn)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    -- SHA-256, in hex.
    hash TEXT NOT NULL UNIQUE,
    user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- Separated by spaces; null: all of the user's role.
    scopes TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tokens_by_user ON tokens (user);
  `,
] as const;

/** @throws GrecError STATE_UNUSABLE when the database is newer than this program */
export function migrate(db: Database, file: string): void {
  const found = Number(db.pragma('user_version', { simple: true }));
  if (found > MIGRATIONS.length)
    throw new GrecError(
      'STATE_UNUSABLE',
      `${file} has schema ${found}, this grec knows ${MIGRATIONS.length}`,
      {
        hint: 'it was written by a newer grec: upgrade this one',
      },
    );
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < found) continue;
    db.transaction(() => {
      // Another process may have done it meanwhile.
      if (Number(db.pragma('user_version', { simple: true })) > index) return;
      db.exec(sql);
      db.pragma(`user_version = ${index + 1}`);
    }).immediate();
  }
}
