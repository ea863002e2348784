// What SQLite throws of the index, explained.
import { GrecError, messageOf, systemCode } from '../errors.ts';

/** Runs `work` and explains what SQLite throws. */
export function guarded<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (systemCode(thrown)?.startsWith('SQLITE_') !== true) throw thrown;
    const code = systemCode(thrown) ?? '';
    const isBroken = code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT');
    throw new GrecError('INDEX_UNUSABLE', `cannot use the index ${file}: ${messageOf(thrown)}`, {
      hint: isBroken
        ? 'the file is damaged: start grec-procd again, which sets it aside and makes it anew from catalog and archive'
        : 'look at the permissions of the file and its directory, and at the free space of the disk',
      cause: thrown,
    });
  }
}
