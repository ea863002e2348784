// One recording, found by what the operator typed: its catalog row and its files.
import { join } from 'node:path';
import { findAudio } from '../archive/audio-format.ts';
import { openCatalogReader } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { GrecError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { shortId } from './ls.ts';

/** Where the files of a recording are, as absolute paths. */
export interface RecordingFiles {
  directory: string;
  audio: string;
}

/** @throws GrecError RECORDING_UNKNOWN, RECORDING_AMBIGUOUS, CATALOG_UNUSABLE */
export function findRecording(context: CliContext, idOrPart: string): RecordingRow {
  const catalog = openCatalogReader(context.config.paths.catalog);
  try {
    return catalog.find(idOrPart);
  } finally {
    catalog.close();
  }
}

/** Undefined for a recording that failed: there is no audio. */
export function filesOf(context: CliContext, { path }: RecordingRow): RecordingFiles | undefined {
  if (path === null) return undefined;
  const directory = join(context.config.paths.archive, path);
  return { directory, audio: findAudio(directory) };
}

/** @throws GrecError RECORDING_UNREADABLE when the recording failed and has no audio */
export function requireFiles(context: CliContext, row: RecordingRow): RecordingFiles {
  const files = filesOf(context, row);
  if (files !== undefined) return files;
  throw new GrecError(
    'RECORDING_UNREADABLE',
    `recording ${shortId(row.id)} has no audio: ${row.reason ?? 'it failed'}`,
    {
      hint: context.command(`show ${shortId(row.id)}`),
    },
  );
}
