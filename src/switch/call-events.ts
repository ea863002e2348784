// The events with which a call begins, as its plan tells them.
import type { EventBody } from '../spool/events.ts';
import { type CallPlan, directionOf } from './call-model.ts';
import type { RecordingDecision } from './recording-decision.ts';

export function createdEvent(call: string, plan: CallPlan): EventBody {
  const { from, to, sessionId, dialled, rule } = plan;
  const said = { dialled, consult: plan.consult || undefined, rule };
  return { type: 'call.created', call, sessionId, direction: directionOf(plan), from, to, ...said };
}

/** The decision on its recording, yes or no. */
export function decidedEvent(call: string, decision: RecordingDecision): EventBody {
  const { record, side, dn, agentId, rule, reason } = decision;
  const mandatory = decision.mandatory || undefined;
  return { type: 'recording.decided', call, record, side, dn, agentId, rule, mandatory, reason };
}
