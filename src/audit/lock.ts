// One process at a time: a lock that the kernel frees when its holder ends, however it ends. It waits, and blocks nothing.
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';

const FIRST_WAIT_MS = 5;
const LONGEST_WAIT_MS = 80;

/**
 * Runs `work` under the lock of a file, which is made when it is missing. SQLite locks it by fcntl, and writes nothing into it.
 * Throws what `work` throws, an Error when the lock is not free within `patienceMs`, and SQLite's errors.
 */
export async function underLock<T>(file: string, patienceMs: number, work: () => Promise<T>): Promise<T> {
  const db = new Database(file, { timeout: 0 });
  try {
    await take(db, patienceMs);
    return await work();
  } finally {
    db.close();
  }
}

async function take(db: Database.Database, patienceMs: number): Promise<void> {
  const since = performance.now();
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      db.exec('BEGIN EXCLUSIVE');
      return;
    } catch (thrown) {
      if (!isBusy(thrown)) throw thrown;
      if (performance.now() - since > patienceMs)
        throw new Error(`another process has held it for ${patienceMs / 1000} s`);
    }
    // Not all at once again.
    await delay(wait * (0.5 + Math.random()));
  }
}

function isBusy(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('SQLITE_BUSY');
}
