// Whether a recording has to go: read from its own files, each of which is proved before it is believed.
import { join } from 'node:path';
import { type Purged, previousHash } from '../archive/act.ts';
import { stateAfter } from '../archive/acts-state.ts';
import { checkActs } from '../archive/check-acts.ts';
import { METADATA_FILE, type Metadata } from '../archive/metadata.ts';
import { readManifest, readMetadata } from '../archive/read.ts';
import { isDue, type Ruling, rulingOn } from '../archive/retention.ts';
import { verifyFile } from '../archive/verify-file.ts';
import { checkRecording, type Grounds, type SeenLink } from '../archive/verify-recording.ts';
import type { CatalogReader } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import type { RetentionClass } from '../config-retention.ts';
import { messageOf } from '../errors.ts';

export interface Examination {
  grounds: Grounds;
  catalog: CatalogReader;
  classes: readonly RetentionClass[];
  /** Milliseconds since 1970. */
  now: number;
}

export type Examined =
  /** It is not its time. */
  | { verdict: 'stays' }
  /** It would have to go, and must not: `reason` says why. */
  | { verdict: 'kept'; reason: string; isHeld: boolean }
  | { verdict: 'due'; purged: Purged };

/** What the catalog knows of a recording tells whether its files are to be looked at. */
export function mayBeDue(row: RecordingRow, { catalog, classes, now }: Examination): boolean {
  if (row.retention === undefined || row.retention === null) return true;
  const retention = row.retention === '' ? undefined : row.retention;
  const stopTime = row.startTime + row.duration;
  // Metadata has the end to the millisecond as it was measured.
  return isDue(rulingOn(classes, { stopTime, retention, labels: catalog.labelsOf(row.id) }), now + 1000);
}

/** Does not throw for what it finds. */
export async function examine(row: RecordingRow, examination: Examination): Promise<Examined> {
  try {
    const { metadata, links } = await readProved(row, examination.grounds);
    const { acts, findings, links: actLinks } = checkActs(examination.grounds, row.id);
    if (findings[0] !== undefined) return kept(`${findings[0].path}: ${findings[0].message}`);
    const state = stateAfter(acts);
    const labels = [...new Set([...state.labels, ...examination.catalog.labelsOf(row.id)])];
    const ruling = rulingOn(examination.classes, termsOf(row, metadata, labels));
    if (!isDue(ruling, examination.now)) return { verdict: 'stays' };
    const hold = state.hold?.reason ?? examination.catalog.holdOn(row.id);
    if (hold !== undefined) return kept(`under hold: ${hold}`, true);
    return { verdict: 'due', purged: describe(row, metadata, ruling, [...links, ...actLinks]) };
  } catch (thrown) {
    return kept(messageOf(thrown));
  }
}

function kept(reason: string, isHeld = false): Examined {
  return { verdict: 'kept', reason, isHeld };
}

/** Of a failed recording there is nothing to read. @throws Error when something is not as it was archived */
async function readProved({ path }: RecordingRow, grounds: Grounds) {
  if (path === null) return { metadata: undefined, links: [] };
  const { findings, links } = await checkRecording(grounds, path, { isLight: true });
  const [wrong] = findings;
  if (wrong !== undefined) throw new Error(`not intact: ${wrong.file ?? path}: ${wrong.message}`);
  const directory = join(grounds.archive, path);
  const digest = readManifest(directory).files.find((file) => file.path === METADATA_FILE);
  const changed = digest && (await verifyFile(directory, digest));
  if (digest === undefined || changed !== undefined)
    throw new Error(`not intact: ${METADATA_FILE}: ${changed?.message ?? 'it is not in the manifest'}`);
  return { metadata: readMetadata(directory), links };
}

function termsOf(row: RecordingRow, metadata: Metadata | undefined, labels: string[]) {
  const retention = metadata === undefined ? row.retention || undefined : metadata.retention;
  return { stopTime: stopOf(row, metadata), retention, labels };
}

function stopOf({ startTime, duration }: RecordingRow, metadata: Metadata | undefined): number {
  return metadata === undefined ? startTime + duration : Date.parse(metadata.stopTime);
}

function describe(
  row: RecordingRow,
  metadata: Metadata | undefined,
  { rule }: Ruling,
  links: readonly SeenLink[],
): Purged {
  return {
    recording: row.id,
    startTime: new Date(row.startTime).toISOString(),
    stopTime: new Date(stopOf(row, metadata)).toISOString(),
    rule,
    links: links.map(({ sequence, path, sha256, previous, createdAt }) => {
      return { sequence, path, sha256, previous: previousHash({ previous }), createdAt };
    }),
  };
}
