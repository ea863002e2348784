// The catalog's row of a recording, from what its files say of it.
import type { Metadata } from '../archive/metadata.ts';
import type { RecordingRow } from '../catalog/rows.ts';

/** The catalog's row of a recording whose files stand in `path`. */
export function rowOfMetadata(metadata: Metadata, path: string): RecordingRow {
  return {
    id: metadata.id,
    sessionId: metadata.sessionId ?? null,
    state: isPartial(metadata) ? 'partial' : 'complete',
    reason: isPartial(metadata) ? reasonsOf(metadata) : null,
    direction: metadata.direction ?? null,
    startTime: Date.parse(metadata.startTime),
    duration: metadata.duration,
    caller: metadata.callerPhoneNumber,
    callee: metadata.dialedPhoneNumber,
    dn: metadata.recordDn ?? null,
    path,
    size: metadata.mediaFiles[0]?.size ?? 0,
    retention: metadata.retention ?? '',
  };
}

/** With this begin the remarks that make a recording partial, so that the files alone tell it. */
export const PARTIAL = 'partial: ';

export function isPartial({ remarks }: Metadata): boolean {
  return remarks.some((remark) => remark.startsWith(PARTIAL));
}

function reasonsOf({ remarks }: Metadata): string {
  const reasons = remarks.filter((remark) => remark.startsWith(PARTIAL));
  return reasons.map((remark) => remark.slice(PARTIAL.length)).join('; ');
}

/** The segments that a recording was made of. @param isKept whether one is set aside, and not done with */
export function segmentsOfMetadata(
  metadata: Metadata,
  isKept = (_segment: string) => isPartial(metadata),
): { id: string; isKept: boolean }[] {
  return metadata.segments.map(({ id }) => ({ id, isKept: isKept(id) }));
}
