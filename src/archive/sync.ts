// Putting names on the disk: what a directory lists is only safe once the directory itself is synced.
import { dirname, relative } from 'node:path';
import { syncPath } from '../sync.ts';

/** A folder may be new, and so may those above it, up to the archive: each name must be on the disk. */
export async function syncUpTo(archive: string, folder: string): Promise<void> {
  for (let at = folder; !relative(archive, at).startsWith('..'); at = dirname(at)) {
    await syncPath(at);
    if (at === archive) return;
  }
}
