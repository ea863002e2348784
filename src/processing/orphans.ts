// Segments whose call is in no journal: of foreign switches, of imports, and of journals that are lost. Pure.
import { recordingIdOfSegment } from '../archive/ids.ts';
import { finishUnknown } from './finish-decision.ts';
import { ageOf, CALL_GRACE_US, type Decision, type Situation, type SpoolSegment } from './situation.ts';

export function decideOrphans(orphans: readonly SpoolSegment[], situation: Situation): Decision[] {
  const foreign = orphans.filter(
    ({ recording, closedAt }) => recording === undefined && closedAt !== undefined,
  );
  const alone = foreign.map((segment) =>
    finishUnknown(recordingIdOfSegment(segment.id), [segment], {}, situation),
  );
  const named = Map.groupBy(orphans, ({ recording }) => recording ?? '');
  named.delete('');
  return [
    ...alone,
    ...[...named].flatMap(([recording, group]) => decideUnknown(recording, group, situation)),
  ];
}

/** Segments of a recording whose call is not in any journal. */
function decideUnknown(recording: string, segments: SpoolSegment[], situation: Situation): Decision[] {
  const { imported } = segments[0] ?? {};
  if (imported !== undefined) return decideImported(recording, segments, imported, situation);
  const isDue = segments.every(({ closedAt }) => {
    return closedAt !== undefined && ageOf(closedAt, situation.now) > CALL_GRACE_US;
  });
  if (!isDue) return [];
  const remark = 'the journals know no event of this call: made from what the media server noted';
  return [finishUnknown(recording, segments, { remarks: [remark] }, situation)];
}

/** The segments of an import appear one after the other, and nothing but their facts tells of their call. */
function decideImported(
  recording: string,
  segments: SpoolSegment[],
  imported: NonNullable<SpoolSegment['imported']>,
  situation: Situation,
): Decision[] {
  const present = new Set(segments.map(({ id }) => id));
  const missing = imported.segments.filter((id) => !present.has(id) && !situation.isDone(id));
  if (missing.length > 0 && ageOf(imported.at, situation.now) <= CALL_GRACE_US) return [];
  const partial = missing.map((segment) => `segment ${segment} is not in the spool`);
  return [finishUnknown(recording, segments, { partial }, situation)];
}
