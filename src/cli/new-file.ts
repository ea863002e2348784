// A file that appears under its name only when it is whole: temporary name, fsync, rename.
import {
  createReadStream,
  createWriteStream,
  existsSync,
  linkSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { syncPathNow } from '../sync.ts';

/** Where links are not known (FAT, some network file systems). */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

export class NewFile {
  /** Write here. */
  readonly path: string;
  readonly target: string;
  private readonly directory: string;
  private readonly replace: boolean;

  /**
   * @param replace whether a file of that name may be replaced
   * @throws GrecError FILE_EXISTS, FILE_UNWRITABLE
   */
  constructor(target: string, replace: boolean, place: string = dirname(target)) {
    if (!replace && existsSync(target)) throw exists(target);
    this.target = target;
    this.replace = replace;
    try {
      // Beside the target, so that the rename stays within one file system; readable by this user alone until then.
      this.directory = mkdtempSync(join(place, '.grec-'));
    } catch (thrown) {
      throw unwritable(target, thrown);
    }
    this.path = join(this.directory, basename(target));
  }

  /** A file that is only ever temporary. */
  static temporary(name: string): NewFile {
    return new NewFile(join(tmpdir(), name), true);
  }

  /** The file is whole: it takes its name. @throws GrecError FILE_EXISTS, FILE_UNWRITABLE */
  keep(): void {
    try {
      syncPathNow(this.path);
      if (this.replace) renameSync(this.path, this.target);
      else this.linkOrRename();
      syncPathNow(dirname(this.target));
    } catch (thrown) {
      throw systemCode(thrown) === 'EEXIST' ? exists(this.target) : unwritable(this.target, thrown);
    }
  }

  /** Removes what is left of the temporary file; after {@link keep} it does no harm. */
  discard(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A link, unlike a rename, never replaces a file that appeared in the meantime. */
  private linkOrRename(): void {
    try {
      linkSync(this.path, this.target);
    } catch (thrown) {
      if (!NO_LINKS.includes(systemCode(thrown) ?? '')) throw thrown;
      if (existsSync(this.target)) throw exists(this.target);
      renameSync(this.path, this.target);
    }
  }
}

/**
 * Copies a file in pieces.
 * @param onProgress gets the part done, from 0 to 1
 * @throws GrecError FILE_UNWRITABLE
 */
export async function copyInto(
  source: string,
  target: string,
  onProgress?: (part: number) => void,
): Promise<void> {
  try {
    const size = statSync(source).size;
    let done = 0;
    const count = new Transform({
      transform(chunk: Buffer, _encoding, next) {
        done += chunk.length;
        onProgress?.(size === 0 ? 1 : done / size);
        next(null, chunk);
      },
    });
    await pipeline(createReadStream(source), count, createWriteStream(target, { flags: 'wx' }));
  } catch (thrown) {
    throw unwritable(target, thrown);
  }
}

function exists(target: string): GrecError {
  return new GrecError('FILE_EXISTS', `${target} exists already`, {
    hint: 'give another name with -o, or --force to replace it',
  });
}

function unwritable(target: string, thrown: unknown): GrecError {
  if (thrown instanceof GrecError) return thrown;
  if (!existsSync(dirname(target)))
    return new GrecError(
      'FILE_UNWRITABLE',
      `cannot write ${target}: there is no directory ${dirname(target)}`,
      {
        hint: 'make it, or name another one with -o',
        cause: thrown,
      },
    );
  return new GrecError('FILE_UNWRITABLE', `cannot write ${target}: ${messageOf(thrown)}`, {
    hint: 'look at the directory, its permissions and the free space',
    cause: thrown,
  });
}
