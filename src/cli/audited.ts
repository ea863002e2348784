// Noting in the audit log what this command is about to do: what cannot be noted is not done.
import { appendAudit } from '../audit/append.ts';
import type { AuditEntry } from '../audit/record.ts';
import { caller } from '../caller.ts';
import { askDaemon, socketOf } from '../control.ts';
import { GrecError, systemCode } from '../errors.ts';
import type { CliContext } from './context.ts';

/** What a user gets who may read the archive and not write in the state directory. */
const NOT_PERMITTED = ['EACCES', 'EPERM', 'EROFS', 'SQLITE_CANTOPEN', 'SQLITE_READONLY'];

/** @throws GrecError AUDIT_UNWRITABLE */
export async function note(context: CliContext, entry: AuditEntry, append = appendAudit): Promise<void> {
  try {
    await append(context.config.paths.audit, caller(), [entry]);
  } catch (thrown) {
    const cause = thrown instanceof GrecError ? thrown.cause : undefined;
    const code = systemCode(cause) ?? '';
    if (!NOT_PERMITTED.some((one) => code.startsWith(one))) throw thrown;
    await noteByDaemon(context, entry, thrown);
  }
}

/** The daemon writes it for those who may ask it. */
async function noteByDaemon(context: CliContext, entry: AuditEntry, refused: unknown): Promise<void> {
  try {
    await askDaemon('grec-procd', socketOf(context.config, 'grec-procd'), 'POST', '/audit', entry);
  } catch (thrown) {
    if (thrown instanceof GrecError && thrown.code === 'AUDIT_UNWRITABLE') throw thrown;
    throw refused;
  }
}
