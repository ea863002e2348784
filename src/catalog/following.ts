// A catalog whose file may be taken away under it: what is written into a removed file nobody would ever find.
import { rmSync, statSync } from 'node:fs';
import { type CatalogWriter, openCatalog } from './catalog.ts';

export interface FollowingCatalog {
  /** Always the one that stands at the path, as of the last {@link follow}. */
  catalog: CatalogWriter;
  /**
   * Looks whether the file is the one that was opened, and opens what stands there now, or a new one, if it is not.
   * @returns true when it was another, of which nothing is known
   * @throws GrecError CATALOG_UNUSABLE; call it again
   */
  follow(): boolean;
}

/** @throws GrecError CATALOG_UNUSABLE */
export function followCatalog(path: string): FollowingCatalog {
  let current = openCatalog(path);
  let opened = identityOf(path);
  return {
    catalog: new Proxy({} as CatalogWriter, { get: (_, method) => Reflect.get(current, method) }),
    follow() {
      if (opened !== undefined && identityOf(path) === opened) return false;
      // Before the other is opened: closing takes the write-ahead log away by its name.
      current.close();
      opened = undefined;
      if (identityOf(path) === undefined) removeLogs(path);
      current = openCatalog(path);
      opened = identityOf(path);
      return true;
    },
  };
}

/** What SQLite leaves beside a file that was removed belongs to it, and must not be read into the next. */
function removeLogs(path: string): void {
  for (const end of ['-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
}

function identityOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && `${found.dev} ${found.ino}`;
}
