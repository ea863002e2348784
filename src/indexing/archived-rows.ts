// What the archive tells of each of its recordings: the row that the catalog is to have, and what is wrong with its files.
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { METADATA_FILE, type Metadata } from '../archive/metadata.ts';
import { hashFile, readManifest, readMetadata } from '../archive/read.ts';
import { checkRecording, type Grounds } from '../archive/verify-recording.ts';
import { messageOf } from '../errors.ts';

export interface ArchivedRecording {
  id: string;
  /** Relative to the archive. */
  path: string;
  /** Undefined when it cannot be read, or is that of another recording. */
  metadata: Metadata | undefined;
  /** When it was archived, milliseconds since 1970; its end when no manifest tells. */
  archivedAt: number;
  /** In words; none when it is as it was archived, as far as its manifest, its metadata and the sizes of its files tell. */
  problems: string[];
}

/** Reads what a recording says of itself; of its audio the size alone. Does not throw for what it finds. */
export async function readArchived(
  grounds: Grounds,
  { id, path }: { id: string; path: string },
): Promise<ArchivedRecording> {
  const directory = join(grounds.archive, path);
  const { findings } = await checkRecording(grounds, path, { isLight: true });
  const problems = findings.map(({ file, message }) =>
    file === undefined ? message : `${file}: ${message}`,
  );
  const metadata = readOwn(directory, id, problems);
  const archivedAt =
    checkFiles(directory, problems) ?? (metadata === undefined ? 0 : Date.parse(metadata.stopTime));
  return { id, path, metadata, archivedAt, problems };
}

function readOwn(directory: string, id: string, problems: string[]): Metadata | undefined {
  try {
    const metadata = readMetadata(directory);
    if (metadata.id === id) return metadata;
    problems.push(`${METADATA_FILE}: it is that of recording ${metadata.id}`);
  } catch (thrown) {
    problems.push(messageOf(thrown));
  }
  return undefined;
}

/** @returns when it was archived */
function checkFiles(directory: string, problems: string[]): number | undefined {
  try {
    const { files, createdAt } = readManifest(directory);
    for (const file of files) {
      const found = lstatSync(join(directory, file.path), { throwIfNoEntry: false });
      if (found?.isFile() !== true) problems.push(`${file.path}: it is missing`);
      else if (found.size !== file.size)
        problems.push(`${file.path}: ${found.size} bytes, the manifest says ${file.size}`);
      else if (file.path === METADATA_FILE && hashFile(join(directory, file.path)).sha256 !== file.sha256)
        problems.push(`${file.path}: it has been changed`);
    }
    return Date.parse(createdAt);
  } catch {
    // What is wrong with the manifest has been said.
    return undefined;
  }
}
