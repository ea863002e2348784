// A switch that starts again: its earlier life's answered calls go on, the others are said to be over.
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Journal } from '../spool/journal.ts';
import { Call, type CallContext } from './call.ts';
import type { CallStore, StoredRow } from './call-store.ts';
import type { DnStore } from './dn-store.ts';
import { type RescueContext, rescueCalls, resumeInterrupted } from './media-rescue.ts';
import type { MediaServers } from './media-servers.ts';
import type { OpenCalls } from './open-calls.ts';

export interface TakingUp {
  context: CallContext;
  openCalls: OpenCalls;
  callStore: CallStore;
  store: DnStore;
  journal: Journal;
  mediaServers: MediaServers;
  rescue: RescueContext;
  log: Logger;
  count(name: string): void;
}

export function takeUpCalls(parts: TakingUp): void {
  const { callStore, store, openCalls } = parts;
  const unreadable = callStore.all().filter((row) => !takeUp(row, parts));
  const known = [...unreadable, ...store.openCalls()].map(({ call }) => call);
  for (const call of new Set(known)) if (!openCalls.all.has(call)) closeLostCall(call, parts);
}

/** @returns false when it cannot go on */
function takeUp({ call: id, state }: StoredRow, parts: TakingUp): boolean {
  try {
    const call = Call.restore(JSON.parse(state), parts.context);
    parts.openCalls.takeUp(call);
    parts.count('restored');
    void checkMedia(call, parts);
    return true;
  } catch (thrown) {
    parts.log.error({ call: id, alarm: 'call-not-restored' }, `a call is lost: ${messageOf(thrown)}`);
    parts.callStore.forget(id);
    return false;
  }
}

function closeLostCall(call: string, { log, journal, store, mediaServers }: TakingUp): void {
  log.warn({ call }, 'the call was up when the switch ended');
  const reason = 'the switch was restarted';
  journal.append({ type: 'call.released', call, by: 'switch', status: 500, reason, answered: true });
  store.forgetOpenCall(call);
  mediaServers.forget(call);
}

/** A media server that was started again meanwhile does not know the call; one that is not configured any more is not asked. */
async function checkMedia(call: Call, { log, mediaServers, rescue }: TakingUp): Promise<void> {
  try {
    // A recording may have waited for a media server, and this life has seen none come.
    if (await call.media.exists()) return await resumeInterrupted([call], rescue);
  } catch (thrown) {
    // One that does not answer is found out by its pings.
    log.warn({ call: call.id }, messageOf(thrown));
    if (!rescue.isLost(call)) return;
  }
  mediaServers.disown(call.media);
  await rescueCalls([call], rescue, 'the media server does not know the call any more');
}
