// Watching folders for changes: a hint to look sooner, never a promise; whoever uses it polls as well.
import { type FSWatcher, watch } from 'node:fs';

/** Changes within so many milliseconds are one hint. */
const GATHER_MS = 100;

/**
 * Calls `onChange` a moment after anything in one of the folders changed.
 * @returns what ends it
 */
export function watchFolders(folders: readonly string[], onChange: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const hint = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      onChange();
    }, GATHER_MS);
  };
  const watchers = folders.flatMap((folder) => tryWatch(folder, hint));
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}

/** None when the system has no more watches to give: polling goes on. */
function tryWatch(folder: string, hint: () => void): FSWatcher[] {
  try {
    const watcher = watch(folder, { persistent: false }, hint);
    watcher.on('error', () => watcher.close());
    return [watcher];
  } catch {
    return [];
  }
}
