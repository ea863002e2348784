// An answered call as JSON: what another life of the switch needs to go on with it.
import type { Peer, StoredDialog } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import type { CallPlan } from './call-model.ts';
import type { StoredRecording } from './call-recording.ts';
import type { Leg, StoredLeg } from './leg.ts';
import type { StoredAnchor } from './media-servers.ts';

export interface StoredCall {
  id: string;
  startedAt: number;
  local: Peer;
  plan: CallPlan;
  legs: { a: StoredLeg; b: StoredLeg };
  dialogs: { a: StoredDialog; b: StoredDialog };
  recording: StoredRecording | null;
  /** Null: the media is direct. */
  anchor: StoredAnchor | null;
}

/** @returns undefined for a call that has no two confirmed dialogs */
export function storeCall(call: Call): StoredCall | undefined {
  const { id, startedAt, local, plan, legs, recording, media } = call;
  const [a, b] = [storeDialog(legs.a), storeDialog(legs.b)];
  if (a === undefined || b === undefined) return undefined;
  return {
    id,
    startedAt,
    local,
    plan: storePlan(plan),
    legs: { a: legs.a.store(), b: legs.b.store() },
    dialogs: { a, b },
    recording: recording?.store() ?? null,
    anchor: call.context.anchorOf(media) ?? null,
  };
}

function storeDialog({ dialog }: Leg): StoredDialog | undefined {
  return dialog?.state === 'confirmed' ? dialog.store() : undefined;
}

/** The places where it rang are of no use any more, and a flow is of one life. */
function storePlan({ hunt: _, ...plan }: CallPlan): CallPlan {
  const { route } = plan;
  // Of a trunk's terms, its password above all, nothing is written; nor are the hashes of a DN's.
  return {
    ...plan,
    route:
      route.kind === 'dn'
        ? { ...route, dn: { ...route.dn, ha1: null, ha1Sha256: undefined }, flow: undefined }
        : { ...route, terms: undefined },
  };
}
