// What the switch answers on its control socket about calls: the desktop's view of them, requests, live events.
import * as v from 'valibot';
import { type ControlRequest, type ControlRoutes, ControlStream } from '../control.ts';
import { GrecError } from '../errors.ts';
import type { JournalEvent } from '../spool/events.ts';
import type { Call } from './call.ts';
import { callsOf, findCall } from './call-lookup.ts';
import type { Leg } from './leg.ts';
import { allowedOperations, OPERATIONS, requestRecording } from './recording-requests.ts';
import type { Switch } from './switch.ts';

const LONGEST_REASON = 500;

const words = v.pipe(
  v.string(),
  v.maxLength(LONGEST_REASON),
  v.check((text) => !/\p{Cc}/u.test(text)),
);
const requestSchema = v.strictObject({
  operation: v.picklist(OPERATIONS),
  reason: v.optional(words, 'no reason given'),
  by: v.optional(words, 'the control socket'),
});

export function callRoutes(parts: Switch): ControlRoutes {
  return {
    'GET /calls': ({ query }) => ({ calls: listed(parts, query.get('dn')).map(showCall) }),
    'GET /calls/:call': ({ params }) => showCall(findCall(parts.calls, params['call'] ?? '')),
    'POST /calls/:call/recording': (request) => ask(parts, request),
    'GET /events': ({ query }) =>
      new ControlStream((signal) => parts.events.listen(wanted(parts, query.get('dn')), signal)),
  };
}

function listed(parts: Switch, dn: string | null): Call[] {
  return dn === null ? [...parts.calls.values()] : callsOf(parts.calls.values(), dn);
}

async function ask(parts: Switch, { params, body }: ControlRequest) {
  const read = v.safeParse(requestSchema, body ?? {});
  if (!read.success)
    throw new GrecError('USAGE', 'the request needs "operation", and may have "reason" and "by"', {
      hint: `operation is one of ${OPERATIONS.join(', ')}; reason and by have up to ${LONGEST_REASON} printable characters`,
    });
  const word = params['call'] ?? '';
  const call = findCall(parts.calls, word);
  const { operation, reason, by } = read.output;
  const dn = callsOf([call], word).length > 0 ? word : undefined;
  const done = await requestRecording(call, operation, { reason, by, dn });
  return { ...showCall(call), ...done };
}

/** Of one DN's calls alone, when one is named. The end of a call comes while it is still known. */
function wanted(parts: Switch, dn: string | null): (event: JournalEvent) => boolean {
  if (dn === null) return () => true;
  return (event) => {
    const call = 'call' in event && event.call !== undefined ? parts.calls.get(event.call) : undefined;
    return call !== undefined && callsOf([call], dn).length > 0;
  };
}

/** A call as desktops see it (Genesys `recordingState`, `capabilities`). */
export function showCall(call: Call) {
  const { recording, plan, legs, media } = call;
  return {
    call: call.id,
    sessionId: plan.sessionId,
    from: legs.a.party.number,
    to: legs.b.party.number,
    state: call.state,
    agents: [legs.a, legs.b].map(({ party }) => party.agentId).filter((agent) => agent !== undefined),
    consult: plan.consult === true,
    held: [legs.a, legs.b].filter(({ held }) => held).map(numberOf),
    anchored: media.anchored,
    recording: recording?.isRunning ? recording.id : null,
    recordingState: recording?.state ?? 'off',
    operations: allowedOperations(call),
    reason: plan.decision.reason,
    startedAt: new Date(call.startedAt).toISOString(),
  };
}

function numberOf({ party }: Leg): string {
  return party.number;
}
