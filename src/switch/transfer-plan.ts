// Where a party may send a call of its own: as if it had dialled the number itself, strategy and toll rules included.
import type { NameAddr, SipRequest } from '../sip/message.ts';
import type { Peer } from '../sip/user-agent.ts';
import type { CallParty, CallPlan } from './call-model.ts';
import { planCall } from './call-plan.ts';
import type { Identity } from './identity.ts';
import { numberUri, type RefusedRoute, type RouteOptions } from './route.ts';
import { sessionIdHeader } from './session-id.ts';
import type { Strategist } from './strategist.ts';

export interface TransferPlanOptions {
  routing: RouteOptions;
  strategist: Pick<Strategist, 'rule'>;
  /** An address of ours. */
  local: Peer;
}

type Caller = Exclude<Identity, { kind: 'refused' }>;

export async function planFor(
  by: CallParty,
  number: string,
  sessionId: string,
  { routing, strategist, local }: TransferPlanOptions,
): Promise<CallPlan | RefusedRoute> {
  const caller = callerOf(by, routing);
  if (caller === undefined) return { kind: 'refused', status: 403, reason: undefined };
  const invite = { message: dialling(by, number, sessionId, local) };
  const ruling = await strategist.rule(invite, caller);
  const planned = planCall(invite, caller, routing, ruling);
  return planned.kind === 'call' ? planned.plan : planned;
}

/** Who it is to the DN table and the configuration now. */
function callerOf({ dn, trunk }: CallParty, { store, trunks }: RouteOptions): Caller | undefined {
  const known = dn === undefined ? undefined : store.dn(dn);
  if (known !== undefined) return { kind: 'dn', dn: known };
  const configured = trunk === undefined ? undefined : trunks.find(({ name }) => name === trunk);
  return configured && { kind: 'trunk', trunk: configured };
}

/** The INVITE that the party would have sent. */
function dialling(by: CallParty, number: string, sessionId: string, local: Peer): SipRequest {
  const address = (uri: string, name?: string): NameAddr => ({ name, uri, params: Object.create(null) });
  const uri = numberUri(number, local);
  return {
    method: 'INVITE',
    uri,
    version: '2.0',
    headers: {
      via: [],
      from: address(by.uri, by.name),
      to: address(uri),
      'call-id': '',
      cseq: { seq: 1, method: 'INVITE' },
      'session-id': sessionIdHeader(sessionId),
    },
    body: Buffer.alloc(0),
  };
}
