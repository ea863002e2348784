// The index: SQLite in WAL mode, over catalog and archive, from which it can be made again. One writer (the indexer), many readers.
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { guarded } from './guarded.ts';
import { type IndexReader, indexReader } from './reader.ts';
import { migrate, requireSchema } from './schema.ts';
import { type IndexWriter, indexWriter } from './writer.ts';

export type { IndexReader } from './reader.ts';
export type { IndexWriter } from './writer.ts';

const READER_WAIT_MS = 2_000;
/** Of pages that are kept in memory; it reads what it needs besides through the system's own. */
const CACHE_KIB = 16_384;

/**
 * Opens the index for its one writer; creates it, and brings an older one up to date.
 * @throws GrecError INDEX_UNUSABLE (damaged, not permitted, or written by a newer grec)
 */
export function openIndex(path: string): IndexWriter {
  return guarded(path, () => {
    prepareFile(path);
    const db = new Database(path);
    return closeUnless(db, () => {
      db.pragma('journal_mode = WAL');
      // What a power cut takes is found missing, and made again.
      db.pragma('synchronous = NORMAL');
      db.pragma(`cache_size = -${CACHE_KIB}`);
      // What is deleted is not to be found in the file either.
      db.pragma('secure_delete = ON');
      migrate(db, path);
      return indexWriter(db, path);
    });
  });
}

/** What was said stands in it: SQLite gives its own files beside it the permissions of this one. @throws GrecError INDEX_UNUSABLE */
function prepareFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    closeSync(openSync(path, 'a', 0o640));
  } catch (thrown) {
    throw new GrecError('INDEX_UNUSABLE', `cannot use the index ${path}: ${messageOf(thrown)}`, {
      hint: 'look at the permissions of the file and its directory, and at the free space of the disk',
      cause: thrown,
    });
  }
}

/**
 * As {@link openIndex}; a damaged one is set aside, and begun anew.
 * @param onDamage is told why
 */
export function openIndexOrBegin(path: string, onDamage: (problem: string) => void): IndexWriter {
  try {
    return openIndex(path);
  } catch (thrown) {
    const code = systemCode(thrown instanceof GrecError ? thrown.cause : thrown) ?? '';
    if (code !== 'SQLITE_NOTADB' && !code.startsWith('SQLITE_CORRUPT')) throw thrown;
    onDamage(messageOf(thrown));
    renameSync(path, `${path}.damaged`);
    for (const end of ['-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
    return openIndex(path);
  }
}

/**
 * Opens the index to ask it.
 * @throws GrecError INDEX_UNUSABLE (absent, damaged, not permitted, or of another version)
 */
export function openIndexReader(path: string): IndexReader {
  if (!existsSync(path)) {
    throw new GrecError('INDEX_UNUSABLE', `there is no index at ${path}`, {
      hint: 'grec-procd makes it while it runs: run `grec up`; --config must name the same configuration',
    });
  }
  return guarded(path, () => {
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: READER_WAIT_MS });
    return closeUnless(db, () => {
      requireSchema(db, path);
      return indexReader(db, path);
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
