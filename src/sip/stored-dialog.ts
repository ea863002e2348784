// A confirmed dialog as plain JSON, so that a user agent that was killed can go on with it (RFC 3261 section 12).
import type { DialogData } from './dialog-state.ts';
import type { Alias } from './dialog-way.ts';
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

export function storeData(data: DialogData): StoredDialog['data'] {
  return { ...data, remoteSeq: data.remoteSeq ?? null };
}

/** The peer takes no number that is not above the last one it saw (section 12.2.2); gaps are allowed. */
export function restoreData(stored: StoredDialog['data']): DialogData {
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
