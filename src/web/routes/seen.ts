// A recording as far as somebody may see it: what they may not see is not there.
import { join } from 'node:path';
import * as v from 'valibot';
import { mediaIdOf } from '../../archive/ids.ts';
import type { HistoryEvent, MediaFile, Metadata } from '../../archive/metadata.ts';
import { historyEventSchema } from '../../archive/metadata.ts';
import { readMetadata } from '../../archive/read.ts';
import type { RecordingRow } from '../../catalog/rows.ts';
import { GrecError } from '../../errors.ts';
import { type Identity, sees } from '../identity.ts';
import { BASE } from '../route.ts';
import type { Web } from '../web.ts';
import type { Listed, Recording } from './schemas.ts';

/** @throws GrecError RECORDING_UNKNOWN, in the same words whether it is not there or not theirs */
export function seenRecording(web: Web, who: Identity, id: string): RecordingRow {
  const catalog = web.catalog();
  const row = catalog.get(id);
  const isThere = row !== undefined && catalog.deleted(row.id) === undefined && sees(who, row.dn);
  if (isThere) return row;
  throw new GrecError('RECORDING_UNKNOWN', `there is no recording ${id}`);
}

/** Undefined when it has no files: it failed. @throws GrecError RECORDING_UNREADABLE */
export function metadataOf({ config }: Web, { path }: RecordingRow): Metadata | undefined {
  return path === null ? undefined : readMetadata(join(config.paths.archive, path));
}

export function listed(row: RecordingRow, labels: string[], isHeld: boolean): Listed {
  const { id, caller, callee, startTime, duration, direction, state, reason, dn, sessionId } = row;
  return {
    id,
    href: `${BASE}/recordings/${id}`,
    callerPhoneNumber: caller,
    dialedPhoneNumber: callee,
    startTime: new Date(startTime).toISOString(),
    stopTime: new Date(startTime + duration).toISOString(),
    duration,
    direction,
    state,
    reason,
    recordDN: dn,
    sessionId,
    labels,
    nonDelete: isHeld,
  };
}

export function describeRecording(web: Web, row: RecordingRow): Recording {
  const catalog = web.catalog();
  const reason = catalog.holdOn(row.id);
  const metadata = metadataOf(web, row);
  return {
    ...listed(row, catalog.labelsOf(row.id), reason !== undefined),
    ...(metadata && { stopTime: metadata.stopTime }),
    ...(metadata?.agentId !== undefined && { agentId: metadata.agentId }),
    callUuids: metadata?.callUuids ?? [],
    attachedData: metadata?.attachedData ?? {},
    mediaFiles: metadata?.mediaFiles.map((file) => media(row.id, metadata, file)) ?? [],
    eventHistory: (metadata?.eventHistory ?? []).flatMap(historyOf),
    masked: (metadata?.masked ?? []).map(({ startTime, stopTime = null, reason: why }) => {
      return { startTime, stopTime, reason: why };
    }),
    holdReason: reason ?? null,
  };
}

function media(id: string, metadata: Metadata, file: MediaFile): Recording['mediaFiles'][number] {
  const { mediaPath, type, duration, size, encryption, callUUID, parameters = {} } = file;
  const playPath = `${BASE}/recordings/${id}/play/${encodeURIComponent(mediaPath)}`;
  return {
    mediaId: file.mediaId ?? mediaIdOf(id, mediaPath),
    mediaUri: playPath,
    mediaPath,
    playPath,
    startTime: file.startTime ?? metadata.startTime,
    stopTime: file.stopTime ?? metadata.stopTime,
    ...(callUUID !== undefined && { callUUID }),
    type,
    duration: String(duration),
    size: String(size),
    encrypted: encryption !== undefined,
    parameters: Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined)),
  };
}

/** Older recordings have other events there, which are none of these. */
function historyOf(event: Metadata['eventHistory'][number]): HistoryEvent[] {
  const result = v.safeParse(historyEventSchema, event);
  return result.success ? [result.output] : [];
}
