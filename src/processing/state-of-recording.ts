// What is known of a recording, finished or not, as the control socket tells it.
import type { CatalogReader } from '../catalog/reader.ts';
import { GrecError } from '../errors.ts';
import type { Finisher } from './finisher.ts';
import type { PendingCall, SpoolSegment } from './situation.ts';

export interface Known {
  catalog: Pick<CatalogReader, 'get'>;
  finisher: Pick<Finisher, 'isMaking'>;
  /** That wait in the spool. */
  segments: readonly SpoolSegment[];
  /** That are not settled. */
  calls: readonly PendingCall[];
}

/** @throws GrecError RECORDING_UNKNOWN */
export function stateOf(known: Known, id: string): Record<string, unknown> {
  const { catalog, finisher } = known;
  const row = catalog.get(id);
  // A failed one may be in the making again, when its media came late.
  if (row !== undefined && row.state !== 'failed') return { ...row };
  if (finisher.isMaking(id)) return { id, state: 'processing', reason: null };
  if (row !== undefined) return { ...row };
  if (isAwaited(known, id))
    return { id, state: 'waiting', reason: 'its call or its media has not ended yet' };
  throw new GrecError('RECORDING_UNKNOWN', `grec-procd knows no recording ${JSON.stringify(id)}`, {
    hint: '`grec ls` shows the recordings',
  });
}

function isAwaited({ segments, calls }: Known, id: string): boolean {
  if (segments.some(({ recording }) => recording === id)) return true;
  const events = calls.flatMap((call) => call.events);
  return events.some((event) => 'recording' in event && event.recording === id);
}
