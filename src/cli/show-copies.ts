// Where a recording has copies, as `grec show` prints it.
import { openCatalogReader } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import type { UploadRow } from '../catalog/uploads.ts';
import type { CliContext } from './context.ts';
import { localTime, printable, renderPairs } from './table.ts';

/** In the order of storages' names. */
export function readCopies({ config }: CliContext, { id }: RecordingRow): UploadRow[] {
  const catalog = openCatalogReader(config.paths.catalog);
  try {
    return catalog.uploads.of(id);
  } finally {
    catalog.close();
  }
}

/** With an empty line before it; nothing when there are none. */
export function describeCopies(copies: readonly UploadRow[]): string[] {
  if (copies.length === 0) return [];
  return [
    '',
    ...renderPairs(copies.map((one): [string, string] => ['copy', `${one.storage}: ${wordsOf(one)}`])),
  ];
}

function wordsOf({ state, reason, doneAt }: UploadRow): string {
  if (state === 'done') return `read back on ${localTime(doneAt ?? 0)}`;
  const why = reason === null ? '' : `: ${printable(reason)}`;
  return state === 'waiting' ? `waits${why}` : `failed${why}`;
}
