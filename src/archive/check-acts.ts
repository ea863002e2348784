// The acts of an archive, against their signatures and places. Nothing that they say is believed before it is checked.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf, systemCode } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import {
  ACT_NAME,
  ACT_SIGNATURE_NAME,
  ACTS_FOLDER,
  type Act,
  actFile,
  actsFolder,
  linkIdOf,
  PURGED_FOLDER,
  type Purged,
  parseAct,
  signatureOf,
} from './act.ts';
import { sha256 } from './digest.ts';
import type { Finding } from './finding.ts';
import { LARGEST_MANIFEST_BYTES } from './manifest.ts';
import { type Grounds, isSigned, type Report, type SeenLink } from './verify-recording.ts';

/** A recording that was deleted, and by which act. */
export interface Deletion extends Purged {
  /** The number of the act, and when it was, ISO 8601. */
  sequence: number;
  at: string;
}

export interface CheckedActs {
  /** Those that are signed, in order. */
  acts: Act[];
  /** Of the acts; and of what was deleted, as the acts say. */
  links: SeenLink[];
  findings: Finding[];
}

/** The acts on one recording. Does not throw for what it finds; Node's system errors when the folder cannot be read. */
export function checkActs(grounds: Grounds, id: string): CheckedActs {
  const checked: CheckedActs = { acts: [], links: [], findings: [] };
  checkFolder(grounds, actsFolder(id), checked);
  return checked;
}

/** Every act of the archive: deletions, and those on recordings. Throws as above. */
export function checkAllActs(grounds: Grounds): CheckedActs {
  const checked = checkDeletions(grounds);
  for (const shard of list(grounds, ACTS_FOLDER))
    for (const id of list(grounds, join(ACTS_FOLDER, shard))) {
      const folder = join(ACTS_FOLDER, shard, id);
      if (folder === actsFolder(id)) checkFolder(grounds, folder, checked);
      else checked.findings.push({ code: 'stranger', path: folder, message: 'it has no place among acts' });
    }
  return checked;
}

/** The acts by which recordings were deleted. Throws as above. */
export function checkDeletions(grounds: Grounds): CheckedActs {
  const checked: CheckedActs = { acts: [], links: [], findings: [] };
  checkFolder(grounds, PURGED_FOLDER, checked);
  return checked;
}

/** One act by its file, relative to the archive; none when it is not there, or nothing proves it. */
export function checkAct(grounds: Grounds, path: string): CheckedActs {
  const checked: CheckedActs = { acts: [], links: [], findings: [] };
  checkFile(grounds, path, checked);
  return checked;
}

/** The recordings that were deleted, by id. */
export function deletionsIn(acts: readonly Act[]): Map<string, Deletion> {
  const deletions = new Map<string, Deletion>();
  for (const { act, sequence, createdAt: at } of acts) {
    if (act.type !== 'purge') continue;
    for (const purged of act.recordings) deletions.set(purged.recording, { ...purged, sequence, at });
  }
  return deletions;
}

function list({ archive }: Grounds, folder: string): string[] {
  try {
    return readdirSync(join(archive, folder))
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

function checkFolder(grounds: Grounds, folder: string, checked: CheckedActs): void {
  for (const name of list(grounds, folder)) {
    const path = join(folder, name);
    if (ACT_NAME.test(name)) checkFile(grounds, path, checked);
    else if (!ACT_SIGNATURE_NAME.test(name))
      checked.findings.push({ code: 'stranger', path, message: 'it has no place among acts' });
  }
}

function checkFile(grounds: Grounds, path: string, checked: CheckedActs): void {
  const report: Report = (code, message) => checked.findings.push({ code, path, message });
  try {
    const bytes = readRegularFile(join(grounds.archive, path), LARGEST_MANIFEST_BYTES);
    if (bytes === undefined) return;
    const parsed = parseAct(bytes);
    if ('problem' in parsed) return report('act-invalid', `it is no act: ${parsed.problem}`);
    const act = parsed.value;
    const signature = readRegularFile(join(grounds.archive, signatureOf(path)), 4096);
    if (signature === undefined) return report('signature-missing', 'its signature is missing');
    if (!isSigned(grounds, act, bytes, signature, report, basename(path))) return;
    if (actFile(act.act, act.sequence) !== path) return report('misplaced', 'it is another act');
    checked.acts.push(act);
    checked.links.push(linkOf(act, path, bytes), ...goneLinks(act));
  } catch (thrown) {
    report('file-unreadable', messageOf(thrown));
  }
}

function linkOf({ sequence, previous, createdAt, act }: Act, path: string, bytes: Buffer): SeenLink {
  return { sequence, id: linkIdOf(act), path, sha256: sha256(bytes), previous, createdAt };
}

/** What a deletion says of the links that went: they are not missing. */
function goneLinks({ act }: Act): SeenLink[] {
  if (act.type !== 'purge') return [];
  return act.recordings.flatMap(({ recording: id, links }) =>
    links.map(({ previous, sequence, ...link }) => ({
      ...link,
      id,
      sequence,
      previous: previous === null ? null : { sequence: sequence - 1, sha256: previous },
    })),
  );
}
