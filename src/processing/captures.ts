// The raw captures: deleted or kept when the recording that they became is on the disk as it was archived; and for how long.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile } from '../archive/digest.ts';
import { readManifest } from '../archive/read.ts';
import type { CatalogWriter } from '../catalog/catalog.ts';
import { endOf, readPeriod } from '../config-retention.ts';
import { messageOf, systemCode } from '../errors.ts';
import { FAILED_FOLDER, KEPT_FOLDER } from '../spool/segment.ts';

/** How long captures are kept, as the configuration has it: a time, or `forever`. */
export interface CapturePolicy {
  /** Of those that became recordings: `0d` is not at all. */
  captures: string;
  /** Of those that did not, or not wholly. */
  'failed-captures': string;
}

export function keepsCaptures({ captures }: CapturePolicy): boolean {
  return captures === 'forever' || (readPeriod(captures)?.count ?? 0) > 0;
}

/** Reads every byte of a recording again. @returns what is wrong with it; undefined when it is as it was archived */
export async function archivedFault(directory: string): Promise<string | undefined> {
  try {
    for (const { path, size, sha256 } of readManifest(directory).files) {
      const found = await digestFile(join(directory, path));
      if (found.size !== size || found.sha256 !== sha256) return `${path} is not what was written`;
    }
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

export interface ExpiryContext {
  spool: string;
  policy: CapturePolicy;
  catalog: CatalogWriter;
  /** Milliseconds since 1970. */
  now: number;
  isDryRun: boolean;
  /** Before they are deleted. */
  note(expired: readonly Expired[]): Promise<void>;
}

export interface Expired {
  segment: string;
  /** Why it goes, or could not. */
  rule: string;
}

/** Deletes the captures whose time is over; those of recordings under hold stay. Throws Node's system errors. */
export async function expireCaptures({ policy, ...context }: ExpiryContext): Promise<Expired[]> {
  const expired = [
    ...(await findExpired(context, KEPT_FOLDER, 'captures', policy.captures)),
    ...(await findExpired(context, FAILED_FOLDER, 'failed-captures', policy['failed-captures'])),
  ];
  const shown = expired.map(({ segment, rule }) => ({ segment, rule }));
  if (context.isDryRun || expired.length === 0) return shown;
  await context.note(shown);
  for (const { directory } of expired) await rm(directory, { recursive: true, force: true });
  return shown;
}

async function findExpired(
  { spool, catalog, now }: Omit<ExpiryContext, 'policy'>,
  folder: string,
  key: string,
  written: string,
): Promise<(Expired & { directory: string })[]> {
  const period = readPeriod(written);
  if (period === undefined) return [];
  const expired: (Expired & { directory: string })[] = [];
  for (const segment of await list(join(spool, folder))) {
    const directory = join(spool, folder, segment);
    // When it came here: nothing has changed it since.
    const { ctimeMs } = await stat(directory);
    if (now < endOf(ctimeMs, period)) continue;
    const recording = catalog.usedSegment(segment)?.recording;
    if (recording !== undefined && catalog.holdOn(recording) !== undefined) continue;
    expired.push({ segment, directory, rule: `${key} = ${written}` });
  }
  return expired;
}

async function list(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}
