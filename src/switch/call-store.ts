// The calls that are answered, as another life of the switch needs them to go on (SQLite, WAL; survives kill -9).
//
// Nothing waits for it: what changes is written within a fiftieth of a second, many calls at once. It holds nothing that
// outlives a call, so one of another version, or a damaged one, is begun anew.
import { rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { GrecError, messageOf } from '../errors.ts';
import { LateWrites } from './late-writes.ts';
import { makePrivate } from './private-file.ts';

/** What another life cannot read is not read. */
const VERSION = 1;
const LOCK_WAIT_MS = 100;
const BATCH_MS = 20;

export interface StoredRow {
  call: string;
  /** JSON. */
  state: string;
}

export interface CallStoreOptions {
  file: string;
  /** Told once when the disk takes nothing, with the reason, and once (undefined) when it takes all again. */
  onTrouble(reason: string | undefined): void;
  /** A call is in the database, from here on until it is over. */
  onKept?(call: string): void;
}

export class CallStore {
  readonly #db: Database.Database;
  readonly #put: Database.Statement<[string, string]>;
  readonly #delete: Database.Statement<[string]>;
  readonly #late: LateWrites;
  /** Calls that have a row. */
  readonly #written = new Set<string>();

  /** Those of the batch that is being written. */
  #kept: string[] = [];

  constructor({ file, onTrouble, onKept }: CallStoreOptions) {
    this.#db = open(file);
    const together = this.#db.transaction((writes: () => void) => writes());
    this.#late = new LateWrites({
      onTrouble,
      together: (writes) => {
        together(writes);
        const kept = this.#kept;
        this.#kept = [];
        for (const call of kept) onKept?.(call);
      },
      batchMs: BATCH_MS,
    });
    this.#put = this.#db.prepare(
      `INSERT INTO call (call, state) VALUES (?, ?) ON CONFLICT (call) DO UPDATE SET state = excluded.state`,
    );
    this.#delete = this.#db.prepare('DELETE FROM call WHERE call = ?');
    for (const { call } of this.all()) this.#written.add(call);
  }

  /** Keeps a call as it is when it is written; `undefined`: not now. Never throws. */
  keep(call: string, state: () => unknown): void {
    this.#late.writeSoon(call, () => {
      const now = state();
      if (now === undefined) return;
      this.#put.run(call, JSON.stringify(now));
      if (!this.#written.has(call)) this.#kept.push(call);
      this.#written.add(call);
    });
  }

  /** Never throws. A call that came and went before it was written costs nothing. */
  forget(call: string): void {
    this.#late.drop(call);
    if (!this.#written.delete(call)) return;
    this.#late.writeSoon(call, () => void this.#delete.run(call));
  }

  all(): StoredRow[] {
    return this.#db.prepare<[], StoredRow>('SELECT call, state FROM call ORDER BY rowid').all();
  }

  close(): void {
    this.#late.end();
    this.#db.close();
  }
}

/** What is no store, or a damaged one, says SQLite; what it says else is no fault of the file. */
const DAMAGED = /^SQLITE_(NOTADB|CORRUPT|ERROR)/;

/** @throws GrecError STATE_UNUSABLE when it cannot be read now, which says nothing against the calls in it */
function open(file: string): Database.Database {
  try {
    return openCurrent(file) ?? openAnew(file);
  } catch (thrown) {
    throw new GrecError('STATE_UNUSABLE', `cannot use the database of calls ${file}: ${messageOf(thrown)}`, {
      hint: 'check its permissions and the free space, and that nobody else holds it',
      cause: thrown,
    });
  }
}

/** Calls of an earlier life cannot be saved with it: they end, and new ones are kept in a new one. */
function openAnew(file: string): Database.Database {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
  const db = openCurrent(file);
  if (db === undefined) throw new Error('a new one is damaged too');
  return db;
}

/** Undefined for one that is damaged, or of another version. */
function openCurrent(file: string): Database.Database | undefined {
  makePrivate(file);
  const db = new Database(file, { timeout: LOCK_WAIT_MS });
  try {
    db.pragma('journal_mode = WAL');
    // It has to outlive this process, not the machine, whose end no call survives: waiting for the disk would hold up all calls.
    db.pragma('synchronous = OFF');
    const version = db.pragma('user_version', { simple: true });
    if (version === 0) begin(db);
    else if (version !== VERSION) return closed(db);
    // All of it: damage may be anywhere. A full disk does not matter so far: nothing is written.
    db.prepare('SELECT call, state FROM call').all();
    return db;
  } catch (thrown) {
    closed(db);
    if (thrown instanceof Database.SqliteError && DAMAGED.test(thrown.code)) return undefined;
    throw thrown;
  }
}

function begin(db: Database.Database): void {
  db.exec('CREATE TABLE IF NOT EXISTS call (call TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT');
  db.pragma(`user_version = ${VERSION}`);
}

function closed(db: Database.Database): undefined {
  db.close();
  return undefined;
}
