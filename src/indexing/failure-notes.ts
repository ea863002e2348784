// Recordings that could not be made are not in the archive: what is set aside of them tells of them, when the catalog is lost.
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recordingIdOf, recordingIdOfSegment } from '../archive/ids.ts';
import { findFinished } from '../archive/write.ts';
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { systemCode } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import {
  encodeNote,
  FAILURE_FILE,
  type FailureNote,
  LARGEST_FAILURE_BYTES,
  parseNote,
} from '../spool/failure-note.ts';
import {
  FACTS_FILE,
  FAILED_FOLDER,
  LARGEST_FACTS_BYTES,
  parseFacts,
  type SegmentFacts,
} from '../spool/segment.ts';
import { syncPath } from '../sync.ts';

const NOT_KNOWN = 'it could not be made; why is not known any more, as the catalog was lost';

/**
 * Notes beside a capture which recording could not be made of it, so that a lost catalog can be told. Throws Node's system
 * errors.
 */
export async function noteFailure(
  directory: string,
  catalog: CatalogWriter,
  recording: string,
): Promise<void> {
  const row = catalog.get(recording);
  if (row === undefined || row.id !== recording || row.state !== 'failed') return;
  const { sessionId, direction, startTime, caller, callee, dn, reason } = row;
  const text = encodeNote({
    ...{ version: 1, recording, reason: reason ?? '', at: catalog.failures.finishedAt(recording), startTime },
    ...{ segments: catalog.segmentsOf(recording), madeOf: catalog.making(recording)?.madeOf ?? null },
    ...{ sessionId, direction, caller, callee, dn, retention: row.retention ?? null },
  });
  const file = join(directory, FAILURE_FILE);
  try {
    await writeFile(`${file}.tmp`, text, { mode: 0o640, flush: true });
    await rename(`${file}.tmp`, file);
  } catch (thrown) {
    rmSync(`${file}.tmp`, { force: true });
    throw thrown;
  }
  await syncPath(directory);
}

/**
 * Enters what a catalog does not know of the captures that are set aside in a spool. Throws Node's system errors.
 * @returns the recordings that it did not know
 */
export function takeInFailures(
  { spool, archive }: { spool: string; archive: string },
  catalog: CatalogWriter,
): string[] {
  const folder = join(spool, FAILED_FOLDER);
  return list(folder).flatMap((segment) => {
    if (catalog.usedSegment(segment) !== undefined) return [];
    const failure = readFailure(join(folder, segment), segment);
    if (failure === undefined || catalog.deleted(failure.row.id) !== undefined) return [];
    // Of one that is in the archive it is a part that was kept, whether the catalog knows it yet or not.
    if (findFinished(archive, failure.row.id, daysOf(failure)) !== undefined) return [];
    return enter(catalog, failure) ? [failure.row.id] : [];
  });
}

interface Found {
  row: RecordingRow;
  segments: readonly string[];
  at: number;
  madeOf: string | null;
}

function enter(catalog: CatalogWriter, { row, segments, at, madeOf }: Found): boolean {
  const used = segments.map((id) => ({ id, isKept: true }));
  const known = catalog.get(row.id);
  if (known !== undefined && known.state !== 'failed') return false;
  catalog.transaction(() => {
    catalog.putRecording(known ?? row, used, at, { madeOf: madeOf ?? undefined });
    const message = (known ?? row).reason ?? '';
    catalog.raiseAlarm({ at, severity: 'major', subject: `recording ${row.id}`, message });
  });
  return known === undefined;
}

function daysOf({ row: { startTime } }: Found): number[] {
  return [startTime - 60_000, startTime, startTime + 60_000];
}

function readFailure(directory: string, segment: string): Found | undefined {
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (found?.isDirectory() !== true) return undefined;
  const note = parseNote(readText(join(directory, FAILURE_FILE), LARGEST_FAILURE_BYTES));
  // One that names others alone is not of this capture.
  if (note?.segments.includes(segment) === true) return { ...note, row: rowOfNote(note) };
  const parsed = parseFacts(readText(join(directory, FACTS_FILE), LARGEST_FACTS_BYTES));
  const at = Math.floor(found.ctimeMs);
  const row = rowOfFacts(segment, 'facts' in parsed ? parsed.facts : undefined, at);
  return { row, segments: [segment], at, madeOf: null };
}

function rowOfNote({
  recording,
  reason,
  startTime,
  sessionId,
  direction,
  caller,
  callee,
  dn,
  retention,
}: FailureNote): RecordingRow {
  const told = { reason, startTime, sessionId, direction, caller, callee, dn, retention };
  return { id: recording, ...told, state: 'failed', duration: 0, path: null, size: 0 };
}

/** What an older grec has set aside. */
function rowOfFacts(segment: string, facts: SegmentFacts | undefined, at: number): RecordingRow {
  const told = facts?.opened.metadata;
  const numberOf = (label: string) => told?.parties.find((party) => party.label === label)?.number ?? '';
  return {
    id: told === undefined ? recordingIdOfSegment(segment) : recordingIdOf(told.recording),
    ...{ sessionId: told?.sessionId ?? null, state: 'failed', reason: NOT_KNOWN, direction: null },
    ...{ startTime: facts === undefined ? at : Math.floor(facts.opened.at / 1000), duration: 0 },
    ...{ caller: numberOf('a'), callee: numberOf('b'), dn: null, path: null, size: 0 },
    retention: told?.retention ?? '',
  };
}

/** Empty when it is no file, or cannot be read for what it is. */
function readText(file: string, most: number): string {
  try {
    return readRegularFile(file, most)?.toString('utf8') ?? '';
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}
