// Statements that are asked again and again: each is prepared once for each open database.
import type { Database, Statement } from 'better-sqlite3';

const statements = new WeakMap<Database, Map<string, unknown>>();

/** As `db.prepare`, whose types these are. @throws SQLite's errors */
export function prepared<P extends unknown[], R>(db: Database, sql: string): Statement<P, R> {
  const known = statements.get(db) ?? new Map<string, unknown>();
  statements.set(db, known);
  const statement = (known.get(sql) as Statement<P, R> | undefined) ?? db.prepare<P, R>(sql);
  known.set(sql, statement);
  return statement;
}
