// What a recording takes with it of the settings of the DN that is recorded: its name and how long it is kept.
import { recordingName } from '../recording-name.ts';
import { type CallParty, type CallPlan, directionOf } from './call-model.ts';

export interface RecordingTerms {
  /** One part of a path, without an ending; undefined: it is called as grec calls recordings. */
  fileName: string | undefined;
  retention: string | undefined;
}

export interface OrderedRecording {
  plan: CallPlan;
  /** Identifiers. */
  call: string;
  recording: string;
  agent: CallParty;
}

/** The same for a recording each time, also in another life of the switch. */
export function termsOf({ plan, call, recording, agent }: OrderedRecording): RecordingTerms {
  const { from, to, dialled, sessionId, decision } = plan;
  const template = decision.terms?.['recording-filename'];
  const values = {
    id: recording,
    uuid: call,
    sessionId,
    ani: from.number,
    dnis: dialled ?? to.number,
    dn: agent.dn,
    agentId: agent.agentId,
    direction: directionOf(plan),
    at: timeOf(recording),
  };
  return {
    fileName: template === undefined ? undefined : recordingName(template, values),
    retention: decision.terms?.retention,
  };
}

/** When a UUIDv7 was made, milliseconds since 1970 (RFC 9562 section 5.7). */
function timeOf(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
}
