// A confirmed dialog as plain JSON, so that a user agent that was killed can go on with it (RFC 3261 section 12).
import type { Core } from './core.ts';
import { DialogImpl } from './dialog.ts';
import type { DialogParts } from './dialog-client.ts';
import type { DialogData } from './dialog-state.ts';
import { type Alias, DialogWay } from './dialog-way.ts';
import type { NameAddr, Params } from './message.ts';
import type { Peer, SessionTimerState } from './user-agent-types.ts';

/** The name of a flow that a killed user agent had: its connection has ended, and none has that name. */
export const EARLIER_LIFE = 'of an earlier life';

/** What is kept of a confirmed dialog. */
export interface StoredDialog {
  role: 'caller' | 'callee';
  data: Omit<DialogData, 'remoteSeq'> & { remoteSeq: number | null };
  way: { flow: { peer: Peer; local: Peer } | null; alias: Alias | null };
  timer: SessionTimerState | null;
  /** Our last description, which a refresh of the session repeats. */
  description: { type: string; text: string } | null;
  abilities: { allow: string[]; supported: string[] };
}

/** Requests that an earlier life may have sent since its dialog was stored. */
const UNKNOWN_REQUESTS = 10_000;

function storeData(data: DialogData): StoredDialog['data'] {
  return { ...data, remoteSeq: data.remoteSeq ?? null };
}

/** The peer takes no number that is not above the last one it saw (section 12.2.2); gaps are allowed. */
function restoreData(stored: StoredDialog['data']): DialogData {
  return {
    ...stored,
    local: restoreAddress(stored.local),
    remote: restoreAddress(stored.remote),
    routeSet: stored.routeSet.map(restoreAddress),
    remoteSeq: stored.remoteSeq ?? undefined,
    localSeq: stored.localSeq + UNKNOWN_REQUESTS,
  };
}

/** JSON gives parameters a prototype, in which strangers could find names. */
function restoreAddress({ name, uri, params }: NameAddr): NameAddr {
  const restored: Params = Object.assign(Object.create(null), params);
  return { name: name ?? undefined, uri, params: restored };
}

/** A confirmed dialog as it is now. */
export function storeDialog(
  { data, way, timer, peer, offers }: DialogParts,
  role: StoredDialog['role'],
): StoredDialog {
  const { local } = offers;
  return {
    role,
    data: storeData(data),
    way: way.store(),
    timer: timer.state ?? null,
    description: local === undefined ? null : { type: local.type, text: local.bytes.toString() },
    abilities: peer.store(),
  };
}

/** The confirmed dialog that was stored, as if nothing had happened since. */
export function restoreDialog(core: Core, stored: StoredDialog): DialogImpl {
  const { role, data, way, timer, description, abilities } = stored;
  const flow = way.flow === null ? undefined : { ...way.flow, id: EARLIER_LIFE };
  const known = new DialogWay(core, flow, way.alias ?? undefined);
  const dialog = new DialogImpl(core, restoreData(data), known, undefined);
  const { peer, offers, timer: sessionTimer } = dialog.parts;
  dialog.role = role;
  peer.restore(abilities);
  if (description !== null) offers.restore({ type: description.type, bytes: description.text });
  if (timer !== null) sessionTimer.run(timer);
  return dialog.register();
}
