// The catalog: SQLite in WAL mode, an index over the archive. One writer (grec-procd), many readers.
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { GrecError } from '../errors.ts';
import { type CatalogReader, catalogReader, guarded } from './reader.ts';
import { migrate, requireSchema } from './schema.ts';
import { type CatalogWriter, catalogWriter } from './writer.ts';

export type { CatalogReader } from './reader.ts';
export type { CatalogWriter, Making, NewAlarm, UsedSegment } from './writer.ts';

/** Kibibytes of its own memory; the system's cache has the rest. */
const PAGE_CACHE_KIB = 4096;
/** A reader never waits long: in WAL mode only a checkpoint at closing time can hold it up. */
const READER_WAIT_MS = 2_000;

/**
 * Opens the catalog for its one writer; creates it, and brings an older one up to date.
 * @throws GrecError CATALOG_UNUSABLE (damaged, not permitted, or written by a newer grec)
 */
export function openCatalog(path: string): CatalogWriter {
  return guarded(path, () => {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    const db = new Database(path);
    return closeUnless(db, () => {
      db.pragma('journal_mode = WAL');
      // A row must be on the disk before its spool segment is deleted.
      db.pragma('synchronous = FULL');
      db.pragma(`cache_size = -${PAGE_CACHE_KIB}`);
      migrate(db, path);
      return catalogWriter(db, path, catalogReader(db, path));
    });
  });
}

/**
 * Opens the catalog to ask it.
 * @throws GrecError CATALOG_UNUSABLE (absent, damaged, not permitted, or of another version)
 */
export function openCatalogReader(path: string): CatalogReader {
  if (!existsSync(path)) {
    throw new GrecError('CATALOG_UNUSABLE', `there is no catalog at ${path}`, {
      hint: 'grec-procd makes it when it starts: run `grec up`; --config must name the same configuration',
    });
  }
  return guarded(path, () => {
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: READER_WAIT_MS });
    return closeUnless(db, () => {
      requireSchema(db, path);
      return catalogReader(db, path);
    });
  });
}

function closeUnless<T>(db: Database.Database, open: () => T): T {
  try {
    return open();
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}
