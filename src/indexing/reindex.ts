// Reindexing: a catalog made anew from the archive alone, beside the one that is there, and then in its place by one rename.
//
// Not in the archive is what failed: that is taken in from what was set aside of it (failure-notes.ts).
import { chownSync, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkDeletions, deletionsIn } from '../archive/check-acts.ts';
import { CHAIN_FOLDER } from '../archive/links.ts';
import { readPublicKeys } from '../archive/public-keys.ts';
import type { Grounds } from '../archive/verify-recording.ts';
import { type Found, walkArchive } from '../archive/walk.ts';
import { type CatalogWriter, openCatalog, openCatalogReader } from '../catalog/catalog.ts';
import { GrecError, messageOf } from '../errors.ts';
import { FAILED_FOLDER } from '../spool/segment.ts';
import { syncPath } from '../sync.ts';
import { type ArchivedRecording, readArchived } from './archived-rows.ts';
import { takeInFailures } from './failure-notes.ts';
import { Joins } from './joins.ts';
import { isPartial, rowOfMetadata, segmentsOfMetadata } from './row-of-metadata.ts';
import { takeInActs } from './take-in-acts.ts';

export interface ReindexOptions {
  archive: string;
  /** The file. */
  catalog: string;
  /** In which captures are set aside. */
  spools: readonly string[];
  /** @param part of the recordings that are done, 0 to 1 */
  onProgress?: (part: number) => void;
}

export interface DamagedRecording {
  id: string;
  path: string;
  /** Its metadata could be read: it is in the catalog, with what is wrong. */
  isListed: boolean;
  problems: string[];
}

export interface ReindexReport {
  /** That are listed. */
  recordings: number;
  /** That have become part of others; that were deleted; that could not be made. */
  joined: number;
  deleted: number;
  failed: number;
  damaged: DamagedRecording[];
  /** What is wrong with the archive besides. */
  problems: string[];
}

/** Rows that are written at a time. */
const BATCH = 200;

/**
 * Nobody else may write the catalog meanwhile. What is there stays until the new one is whole and on the disk.
 * @throws GrecError ARCHIVE_UNREADABLE, CATALOG_UNUSABLE
 */
export async function reindex(options: ReindexOptions): Promise<ReindexReport> {
  const file = `${options.catalog}.new`;
  removeFiles(file);
  try {
    const report = await fill(file, options);
    await replace(file, options.catalog);
    return report;
  } catch (thrown) {
    removeFiles(file);
    if (thrown instanceof GrecError) throw thrown;
    throw new GrecError('ARCHIVE_UNREADABLE', `the catalog stays as it was: ${messageOf(thrown)}`, {
      hint: 'run it as the user that runs grec-procd, and look at the free space of the disk',
      cause: thrown,
    });
  }
}

async function fill(file: string, options: ReindexOptions): Promise<ReindexReport> {
  // An archive that is not mounted must not become an empty catalog.
  statSync(options.archive);
  const catalog = openCatalog(file);
  try {
    return await new Reindexing(catalog, options).run();
  } finally {
    catalog.close();
  }
}

class Reindexing {
  readonly #catalog: CatalogWriter;
  readonly #options: ReindexOptions;
  readonly #joins = new Joins();
  readonly #damaged: DamagedRecording[] = [];
  readonly #problems: string[] = [];

  constructor(catalog: CatalogWriter, options: ReindexOptions) {
    this.#catalog = catalog;
    this.#options = options;
  }

  async run(): Promise<ReindexReport> {
    const { archive } = this.#options;
    const { byId: keys, findings } = readPublicKeys(archive);
    this.#problems.push(...findings.map(({ path, message }) => `${path}: ${message}`));
    await this.#takeInRecordings({ archive, keys });
    this.#requireArchive();
    const deleted = this.#takeInActs({ archive, keys });
    const joined = this.#joins.apply(this.#catalog, this.#problems);
    const failed = this.#takeInFailures();
    this.#takeOverCopies();
    const recordings = this.#catalog.count() - failed - this.#catalog.acts.unfinished().length;
    return { recordings, joined, deleted, failed, damaged: this.#damaged, problems: this.#problems };
  }

  async #takeInRecordings(grounds: Grounds): Promise<void> {
    const found = await this.#findRecordings();
    for (let first = 0; first < found.length; first += BATCH) {
      const read: ArchivedRecording[] = [];
      for (const one of found.slice(first, first + BATCH)) {
        read.push(await readArchived(grounds, one));
        this.#options.onProgress?.((first + read.length) / found.length);
      }
      this.#catalog.transaction(() => {
        for (const recording of read) this.#take(recording);
      });
    }
  }

  async #findRecordings(): Promise<(Found & { kind: 'recording' })[]> {
    const found: (Found & { kind: 'recording' })[] = [];
    for await (const one of walkArchive(this.#options.archive)) {
      if (one.kind === 'recording') found.push(one);
      else this.#problems.push(`${one.path}: ${one.problem}`);
    }
    return found;
  }

  /** The place of an archive that is not mounted is an empty directory: it must not cost the catalog. */
  #requireArchive(): void {
    const { archive, catalog } = this.#options;
    if (this.#catalog.count() > 0 || existsSync(join(archive, CHAIN_FOLDER))) return;
    const known = countOf(catalog);
    if (known === 0) return;
    throw new GrecError(
      'ARCHIVE_UNREADABLE',
      `there is no archive in ${archive}, and the catalog knows ${known} recordings`,
      {
        hint: 'is it mounted? The catalog stays as it was; move it away if there is no archive indeed',
      },
    );
  }

  #take({ id, path, metadata, archivedAt, problems }: ArchivedRecording): void {
    if (problems.length > 0) this.#report({ id, path, isListed: metadata !== undefined, problems });
    if (metadata === undefined) return;
    this.#joins.add(id, metadata);
    if (metadata.joinedInto !== undefined) return;
    const row = rowOfMetadata(metadata, path);
    const isKept = (segment: string) => this.#isAside(segment, isPartial(metadata));
    const segments = segmentsOfMetadata(metadata, isKept);
    const { madeOf } = metadata;
    if (problems.length > 0) {
      row.state = 'partial';
      row.reason = [`damaged: ${problems.join('; ')}`, ...(row.reason === null ? [] : [row.reason])].join(
        '; ',
      );
    }
    this.#catalog.putRecording(row, segments, archivedAt, { madeOf });
  }

  /** A capture that waits in the spool yet is set aside when not all of it became audio. */
  #isAside(segment: string, isPart: boolean): boolean {
    return this.#options.spools.some(
      (spool) =>
        existsSync(join(spool, FAILED_FOLDER, segment)) || (isPart && existsSync(join(spool, segment))),
    );
  }

  #report(damaged: DamagedRecording): void {
    const { id, problems, isListed } = damaged;
    this.#damaged.push(damaged);
    const message = `${isListed ? 'it is damaged' : 'it is in the archive and cannot be listed'}: ${problems.join('; ')}`;
    this.#catalog.raiseAlarm({ at: Date.now(), severity: 'major', subject: `recording ${id}`, message });
  }

  /** @returns how many recordings were deleted */
  #takeInActs(grounds: Grounds): number {
    const problem = takeInActs(grounds.archive, this.#catalog);
    if (problem !== undefined) this.#problems.push(`holds and labels are not all known: ${problem}`);
    const { acts } = checkDeletions(grounds);
    const deletions = deletionsIn(acts);
    for (const { recording: id, at, rule, sequence: act } of deletions.values()) {
      // Also when what comes before it cannot be read: who was deleted stays so.
      this.#catalog.acts.delete({ id, at, rule, act });
      if (this.#catalog.get(id) === undefined) this.#catalog.acts.forget(id);
    }
    return deletions.size;
  }

  /** Which copies there are is not in the archive: when nobody knows, the storages are asked for each. */
  #takeOverCopies(): void {
    try {
      this.#catalog.uploads.takeOver(this.#options.catalog);
    } catch {
      // The catalog that is there is damaged, which is why it is made anew.
    }
  }

  /** @returns how many recordings could not be made */
  #takeInFailures(): number {
    const { archive, spools } = this.#options;
    return spools.flatMap((spool) => {
      try {
        return takeInFailures({ spool, archive }, this.#catalog);
      } catch (thrown) {
        this.#problems.push(`what is set aside in ${spool} is not known: ${messageOf(thrown)}`);
        return [];
      }
    }).length;
  }
}

function countOf(file: string): number {
  try {
    const catalog = openCatalogReader(file);
    try {
      return catalog.count();
    } finally {
      catalog.close();
    }
  } catch {
    return 0;
  }
}

async function replace(file: string, catalog: string): Promise<void> {
  giveTo(file, existsSync(catalog) ? catalog : dirname(catalog));
  await syncPath(file);
  // What SQLite has left beside the old one must not be read into the new one.
  for (const end of ['-wal', '-shm']) rmSync(`${catalog}${end}`, { force: true });
  renameSync(file, catalog);
  await syncPath(dirname(catalog));
}

/** Root makes it for the user that runs grec-procd. */
function giveTo(file: string, like: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(like);
  chownSync(file, uid, gid);
}

function removeFiles(file: string): void {
  for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${file}${end}`, { force: true });
}
