// Taking everything that there is of a recording from the disk: its directory, its acts, its captures.
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { actsFolder } from '../archive/act.ts';
import { readMetadata } from '../archive/read.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { systemCode } from '../errors.ts';
import { ASIDE_FOLDERS } from '../spool/segment.ts';
import { syncPath } from '../sync.ts';
import type { Source } from './sources.ts';

const RECORDING_PATH = /^\d{4}\/\d\d\/\d\d\/[0-9a-f-]{36}$/;
const SEGMENT_NAME = /^[\w-][\w.-]*$/;

export interface FilesOfRecording {
  archive: string;
  /** Where its captures may be. */
  sources: readonly Pick<Source, 'spool' | 'finished'>[];
  row: Pick<RecordingRow, 'id' | 'path'>;
  /** That it was made of, as far as the catalog knows; its metadata may know of others. */
  segments: readonly string[];
}

/** Durable when it resolves; again is no harm. Throws Node's system errors. */
export async function deleteFiles({ archive, sources, row, segments }: FilesOfRecording): Promise<void> {
  const captures = [...new Set([...segments, ...segmentsIn(archive, row)])]
    .filter((segment) => SEGMENT_NAME.test(segment) && !ASIDE_FOLDERS.includes(segment))
    .flatMap((segment) => sources.flatMap((source) => foldersOf(source, segment)));
  // Captures first: as long as the recording is listed, somebody knows of them.
  for (const directory of captures) await remove(directory);
  if (row.path !== null && RECORDING_PATH.test(row.path)) await remove(join(archive, row.path));
  await remove(join(archive, actsFolder(row.id)));
}

function foldersOf({ spool, finished }: Pick<Source, 'spool' | 'finished'>, segment: string): string[] {
  return [finished, spool, ...ASIDE_FOLDERS.map((folder) => join(spool, folder))].map((folder) =>
    join(folder, segment),
  );
}

function segmentsIn(archive: string, { path }: FilesOfRecording['row']): string[] {
  try {
    return path === null ? [] : readMetadata(join(archive, path)).segments.map(({ id }) => id);
  } catch {
    // An earlier attempt has deleted it, after the captures.
    return [];
  }
}

async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await syncPath(dirname(directory)).catch((thrown: unknown) => {
    if (systemCode(thrown) !== 'ENOENT') throw thrown;
  });
}
