// Putting names on the disk: what a directory lists is only safe once the directory itself is synced.
import { open } from 'node:fs/promises';
import { dirname, relative } from 'node:path';

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A folder may be new, and so may those above it, up to the archive: each name must be on the disk. */
export async function syncUpTo(archive: string, folder: string): Promise<void> {
  for (let at = folder; !relative(archive, at).startsWith('..'); at = dirname(at)) {
    await syncFolder(at);
    if (at === archive) return;
  }
}
