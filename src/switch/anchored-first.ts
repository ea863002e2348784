// Which calls run through the media server from their first offer on.
import { isIPv6 } from 'node:net';
import type { IncomingInvite } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import { targetsOf } from './call-model.ts';
import { sdpOf } from './sdp-body.ts';
import { isConverted } from './srtp-policy.ts';

/** Those that are recorded, that are told to be always, and whose parties could not hear each other otherwise. */
export function isAnchoredFirst({ plan, context, legs }: Call, { message, flow }: IncomingInvite): boolean {
  const isV6 = isIPv6(flow.peer.address);
  return (
    isConverted(context, legs.a, sdpOf(message), legs.b) ||
    targetsOf(plan).some(
      ({ decision, route }) => decision.record || decision.isAnchored || isIPv6(route.peer.address) !== isV6,
    )
  );
}
