// A switch that starts again: its earlier life's answered calls go on, the others are said to be over.
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Journal } from '../spool/journal.ts';
import { Call, type CallContext } from './call.ts';
import type { CallStore, StoredRow } from './call-store.ts';
import type { DnStore } from './dn-store.ts';
import { type RescueContext, rescueCalls } from './media-rescue.ts';
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
  for (const row of callStore.all()) takeUp(row, parts);
  for (const { call } of store.openCalls()) if (!openCalls.all.has(call)) closeLostCall(call, parts);
}

function takeUp({ call: id, state }: StoredRow, parts: TakingUp): void {
  try {
    const call = Call.restore(JSON.parse(state), parts.context);
    parts.openCalls.takeUp(call);
    parts.count('restored');
    void checkMedia(call, parts);
  } catch (thrown) {
    parts.log.error({ call: id, alarm: 'call-not-restored' }, `a call is lost: ${messageOf(thrown)}`);
    parts.callStore.forget(id);
    parts.store.noteOpenCall({ call: id, recording: null });
  }
}

function closeLostCall(call: string, { log, journal, store, mediaServers }: TakingUp): void {
  log.warn({ call }, 'the call was up when the switch ended');
  const reason = 'the switch was restarted';
  journal.append({ type: 'call.released', call, by: 'switch', status: 500, reason, answered: true });
  store.forgetOpenCall(call);
  mediaServers.forget(call);
}

/** A media server that was started again meanwhile does not know the call. */
async function checkMedia(call: Call, { log, mediaServers, rescue }: TakingUp): Promise<void> {
  try {
    if (await call.media.exists()) return;
  } catch (thrown) {
    // One that does not answer is found out by its pings.
    return log.warn({ call: call.id }, messageOf(thrown));
  }
  mediaServers.disown(call.media);
  await rescueCalls([call], rescue, 'the media server does not know the call any more');
}
