// The audit log of a daemon: what it is asked for is noted before it is done, and noted as refused when it is not.
import { type Caller, caller } from '../caller.ts';
import { GrecError, messageOf } from '../errors.ts';
import { appendAudit } from './append.ts';
import type { AuditEntry } from './record.ts';

export type Note = (by: Caller, ...entries: AuditEntry[]) => Promise<number>;

/** @returns what adds entries; it throws GrecError AUDIT_UNWRITABLE */
export function auditLog(directory: string): Note {
  return (by, ...entries) => appendAudit(directory, by, entries);
}

/** Notes what a daemon does of itself. */
export function ofDaemon(name: string): Caller {
  return { user: `${name} (${caller().user})`, from: caller().from };
}

/**
 * Notes, then does.
 * @throws GrecError AUDIT_UNWRITABLE, and nothing is done then; what `work` throws
 */
export async function audited<T>(
  note: Note,
  by: Caller,
  entry: AuditEntry,
  work: () => T | Promise<T>,
): Promise<T> {
  const seq = await note(by, entry);
  try {
    return await work();
  } catch (thrown) {
    const { recording } = entry;
    const details = { entry: seq, reason: thrown instanceof GrecError ? thrown.code : messageOf(thrown) };
    await note(by, { what: 'refused', ...(recording !== undefined && { recording }), details }).catch(
      () => undefined,
    );
    throw thrown;
  }
}
