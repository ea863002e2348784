// The schema of the switch's database: numbered migrations, remembered in SQLite's user_version.
import type Database from 'better-sqlite3';
import { GrecError } from '../errors.ts';

/** What each version adds to the one before. A migration that has been released is never edited. */
const MIGRATIONS = [
  `
  CREATE TABLE dn (
    number TEXT PRIMARY KEY,
    name TEXT,
    record INTEGER NOT NULL DEFAULT 0,
    ha1 TEXT,
    realm TEXT
  ) STRICT;
  CREATE TABLE registration (
    number TEXT NOT NULL REFERENCES dn (number) ON DELETE CASCADE,
    contact TEXT NOT NULL,
    protocol TEXT NOT NULL,
    address TEXT NOT NULL,
    port INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    user_agent TEXT,
    PRIMARY KEY (number, contact)
  ) STRICT;
  CREATE TABLE open_call (call TEXT PRIMARY KEY, recording TEXT) STRICT;
  `,
  // Null: not said. That a DN of version 1 is not recorded was said, so that no default changes it.
  `
  ALTER TABLE dn RENAME COLUMN record TO record_of_1;
  ALTER TABLE dn ADD COLUMN record INTEGER;
  UPDATE dn SET record = record_of_1;
  ALTER TABLE dn DROP COLUMN record_of_1;
  ALTER TABLE dn ADD COLUMN type TEXT NOT NULL DEFAULT 'extension';
  ALTER TABLE dn ADD COLUMN record_consult_calls INTEGER;
  ALTER TABLE dn ADD COLUMN mandatory INTEGER;
  ALTER TABLE dn ADD COLUMN recording_filename TEXT;
  ALTER TABLE dn ADD COLUMN retention TEXT;
  ALTER TABLE dn ADD COLUMN anchor TEXT;
  -- One agent on one DN, one DN for one agent.
  CREATE TABLE agent_login (
    agent TEXT PRIMARY KEY REFERENCES dn (number) ON DELETE CASCADE,
    dn TEXT NOT NULL UNIQUE REFERENCES dn (number) ON DELETE CASCADE,
    since INTEGER NOT NULL
  ) STRICT;
  `,
  // The proxies through which a phone registered (RFC 3327).
  'ALTER TABLE registration ADD COLUMN path TEXT',
  // Of a password that was set before, nobody knows this hash.
  'ALTER TABLE dn ADD COLUMN ha1_sha256 TEXT',
  'ALTER TABLE dn ADD COLUMN srtp TEXT',
] as const;

export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the schema to {@link SCHEMA_VERSION}, each step in its own transaction.
 * @throws GrecError STATE_UNUSABLE when the database is newer than this program
 */
export function migrate(db: Database.Database): void {
  const found = Number(db.pragma('user_version', { simple: true }));
  if (found > SCHEMA_VERSION) {
    const message = `the DN database is of version ${found}; this grec knows ${SCHEMA_VERSION}`;
    throw new GrecError('STATE_UNUSABLE', message, { hint: 'run the grec that wrote it, or a newer one' });
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < found) continue;
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${index + 1}`);
    }).immediate();
  }
}
