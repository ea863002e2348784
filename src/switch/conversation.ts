// When a call becomes part of another conversation: a transfer has joined two of them, here or at the other end of a trunk
// (RFC 7989 sections 7 and 8).
//
// The conversation that goes on is that of the call in which the REFER came. The switch that has joined them tells it by
// re-INVITE to whoever was in the other one; the next switch takes it over from there, and tells its own party.
import type { SipMessage } from '../sip/message.ts';
import type { Call } from './call.ts';
import { type Leg, otherLabel } from './leg.ts';
import { saidSession } from './session-id.ts';

/** What an offer within a call says of its conversation. */
export interface HeardSession {
  /** The conversation, if the offer is accepted. */
  sessionId: string;
  /** The offer is accepted. */
  take(): void;
}

/** Reads the Session-ID of a party's offer. A phone is in no conversation but that of its call. */
export function hearSession(call: Call, leg: Leg, message: SipMessage): HeardSession {
  const sessionId = movedTo(call, leg, message) ?? call.plan.sessionId;
  return {
    sessionId,
    take: () => {
      leg.learn(message);
      joinConversation(call, sessionId);
    },
  };
}

/** The conversation that a trunk says its side is part of now. */
function movedTo({ plan, legs }: Call, leg: Leg, message: SipMessage): string | undefined {
  const said = saidSession(message);
  if (said === undefined || leg.party.trunk === undefined) return undefined;
  if (said.conversation !== undefined) return said.conversation;
  const isKnown = said.local === plan.sessionId || said.local === leg.uuid || leg.uuid === undefined;
  // Somebody else speaks there with the one whose UUID is the conversation's: it goes on.
  if (isKnown || said.remote === plan.sessionId) return undefined;
  return said.remote !== undefined && said.remote === legs[otherLabel(leg.label)].uuid
    ? said.local
    : undefined;
}

/** The call, its recording and its parties are in that conversation from here on. */
export function joinConversation(call: Call, sessionId: string): void {
  const was = call.plan.sessionId;
  if (sessionId === was) return;
  call.plan = { ...call.plan, sessionId };
  call.legs.a.hasMoved = true;
  call.legs.b.hasMoved = true;
  if (call.recording !== undefined) call.recording.sessionId = sessionId;
  call.context.journal({ type: 'call.joined', call: call.id, sessionId, was });
  call.log.info({ sessionId, was }, 'call joined another conversation');
}
