// The folder in which an import is prepared: nothing in it is a segment until it is moved into the spool, whole, by one rename.
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { ASIDE_FOLDERS } from '../spool/segment.ts';
import { syncPathNow } from '../sync.ts';
import { StagedSegment, WriteBudget } from './staged-segment.ts';

/** The spool passes over what begins with a dot. */
const PREFIX = '.import-';

const DENIED = 'run it as the user that runs the daemons, or as root';
const FULL = 'free space on the disk of the spool';
const HINTS: Record<string, string | undefined> = {
  EACCES: DENIED,
  EPERM: DENIED,
  ENOSPC: FULL,
  EDQUOT: FULL,
};

export class Staging {
  readonly #spool: string;
  readonly #folder: string;
  readonly #budget = new WriteBudget();

  /**
   * Begins an import, and removes what one that was killed left behind.
   * @throws GrecError SPOOL_WRITE
   */
  constructor(spool: string) {
    this.#spool = spool;
    this.#folder = refusing(spool, () => {
      mkdirSync(spool, { recursive: true, mode: 0o750 });
      removeAbandoned(spool);
      return mkdtempSync(join(spool, `${PREFIX}${process.pid}-`));
    });
  }

  segment(id: string): StagedSegment {
    return new StagedSegment(id, this.#folder, this.#budget);
  }

  /** Runs `work`, which writes. @throws GrecError SPOOL_WRITE for what the system refuses */
  writing<T>(work: () => T): T {
    return refusing(this.#spool, work);
  }

  /**
   * Moves a finished segment into the spool.
   * @returns false when it is there already: it was imported before, or is being imported by another one
   * @throws GrecError SPOOL_WRITE
   */
  publish({ id, directory }: StagedSegment): boolean {
    return refusing(this.#spool, () => {
      if (isInSpool(this.#spool, id)) return false;
      giveToOwner(this.#spool, directory);
      try {
        renameSync(directory, join(this.#spool, id));
      } catch (thrown) {
        if (systemCode(thrown) === 'ENOTEMPTY' || systemCode(thrown) === 'EEXIST') return false;
        throw thrown;
      }
      return true;
    });
  }

  /** Ends the import; what was not published is gone. */
  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
    // What could not be synced is synced by whoever takes it out of the spool.
    if (existsSync(this.#spool)) syncPathNow(this.#spool);
  }
}

/** Whether a segment waits in the spool, or stands aside there. */
export function isInSpool(spool: string, id: string): boolean {
  return ['', ...ASIDE_FOLDERS].some((folder) => existsSync(join(spool, folder, id)));
}

/** An operator who is root must not leave files that the daemons cannot read or remove. */
function giveToOwner(spool: string, directory: string): void {
  const { uid, gid } = statSync(spool);
  if (process.getuid?.() !== 0 || uid === 0) return;
  for (const path of [directory, ...readdirSync(directory).map((name) => join(directory, name))])
    chownSync(path, uid, gid);
}

function removeAbandoned(spool: string): void {
  for (const name of readdirSync(spool)) {
    const pid = Number(name.startsWith(PREFIX) ? name.slice(PREFIX.length).split('-')[0] : Number.NaN);
    if (Number.isInteger(pid) && pid > 0 && !isAlive(pid))
      rmSync(join(spool, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return systemCode(thrown) !== 'ESRCH';
  }
}

function refusing<T>(spool: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof GrecError) throw thrown;
    throw new GrecError('SPOOL_WRITE', `cannot write into the spool ${spool}: ${messageOf(thrown)}`, {
      hint:
        HINTS[systemCode(thrown) ?? ''] ?? '`[state] directory` names where it is: look what stands there',
      cause: thrown,
    });
  }
}
