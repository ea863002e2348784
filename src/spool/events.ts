// The events of calls and recordings, as each daemon journals them: one JSON object a line, schema-checked.
import * as v from 'valibot';
import { partySchema } from './segment.ts';

const party = v.object({
  number: v.string(),
  uri: v.string(),
  name: v.optional(v.string()),
  dn: v.optional(v.string()),
  /** The agent who is logged in on the DN. */
  agentId: v.optional(v.string()),
  trunk: v.optional(v.string()),
});

const callBase = { call: v.string() };
const recordingBase = { ...callBase, recording: v.string() };
const asked = { by: v.optional(v.string()), reason: v.string() };

/** What happened. The journal adds `seq`, `at` (wall clock, microseconds) and `daemon`. */
export const eventBodySchema = v.variant('type', [
  v.object({ type: v.literal('daemon.started'), version: v.string(), pid: v.number() }),
  v.object({ type: v.literal('daemon.stopped') }),
  v.object({
    type: v.literal('agent.loggedIn'),
    agent: v.string(),
    dn: v.string(),
    by: v.picklist(['control', 'feature-code']),
  }),
  v.object({ type: v.literal('agent.loggedOut'), agent: v.string(), dn: v.string(), reason: v.string() }),
  v.object({
    type: v.literal('call.created'),
    ...callBase,
    sessionId: v.string(),
    direction: v.picklist(['internal', 'inbound', 'outbound']),
    from: party,
    to: party,
    /** The number that was dialled, when a strategy sent the call to another one. */
    dialled: v.optional(v.string()),
    /** The caller has another call: this one consults somebody about it. */
    consult: v.optional(v.boolean()),
    /** The rules of the routing strategy that decided where it goes. */
    rule: v.optional(v.string()),
  }),
  /** A call of somebody known that was refused before it was offered to anybody: no other event of it follows. */
  v.object({
    type: v.literal('call.refused'),
    ...callBase,
    sessionId: v.string(),
    from: party,
    dialled: v.string(),
    /** SIP status and reason that the caller got. */
    status: v.number(),
    reason: v.string(),
    rule: v.optional(v.string()),
  }),
  /** Data that travels with the call into its recording's metadata; a later value goes before an earlier one. */
  v.object({
    type: v.literal('data.attached'),
    ...callBase,
    data: v.record(v.string(), v.string()),
    /** The rules of the routing strategy that attached it. */
    rule: v.optional(v.string()),
  }),
  /** The recording decision, yes or no, with its reason. `side` is the side that is recorded (Genesys `record`). */
  v.object({
    type: v.literal('recording.decided'),
    ...callBase,
    record: v.boolean(),
    side: v.optional(v.picklist(['source', 'destination'])),
    dn: v.optional(v.string()),
    agentId: v.optional(v.string()),
    /** The rule of the routing strategy that made it. */
    rule: v.optional(v.string()),
    /** No recording, no call. */
    mandatory: v.optional(v.boolean()),
    reason: v.string(),
  }),
  v.object({ type: v.literal('call.ringing'), ...callBase }),
  /** `to`: who answered, when the call was offered to several. */
  v.object({ type: v.literal('call.answered'), ...callBase, to: v.optional(party) }),
  /** The switch was started again while the call was up, and goes on with it. */
  v.object({ type: v.literal('call.restored'), ...callBase }),
  v.object({ type: v.literal('call.held'), ...callBase, label: v.string() }),
  v.object({ type: v.literal('call.retrieved'), ...callBase, label: v.string() }),
  /** A party has sent its side of the call on: by REFER, or somebody took it with Replaces. `label`: that side. */
  v.object({
    type: v.literal('call.transferred'),
    ...callBase,
    label: v.string(),
    how: v.picklist(['blind', 'attended', 'replaced']),
    by: party,
    to: party,
    /** The consultation call that has become part of this one. */
    consultation: v.optional(v.string()),
  }),
  /** The call has become part of another conversation: a transfer, here or at another switch, has joined the two. */
  v.object({
    type: v.literal('call.joined'),
    ...callBase,
    /** The conversation that it is in from here on, and the one that it was in. */
    sessionId: v.string(),
    was: v.string(),
  }),
  v.object({ type: v.literal('party.left'), ...callBase, label: v.string(), party }),
  v.object({ type: v.literal('party.joined'), ...callBase, label: v.string(), party }),
  v.object({
    type: v.literal('recording.started'),
    ...recordingBase,
    fileName: v.optional(v.string()),
    retention: v.optional(v.string()),
    parties: v.array(partySchema),
  }),
  /** `by`: who asked for it, when somebody did. */
  v.object({ type: v.literal('recording.paused'), ...recordingBase, ...asked }),
  v.object({ type: v.literal('recording.resumed'), ...recordingBase, ...asked }),
  v.object({ type: v.literal('recording.stopped'), ...recordingBase, ...asked }),
  /** Its media server is lost; it goes on (`recording.resumed`) when another one takes over. */
  v.object({ type: v.literal('recording.interrupted'), ...recordingBase, reason: v.string() }),
  v.object({ type: v.literal('recording.failed'), ...recordingBase, reason: v.string() }),
  /** Somebody listens to a call that is up. `by`: who, as the one who asks says. */
  v.object({
    type: v.literal('listening.started'),
    ...callBase,
    recording: v.optional(v.string()),
    by: v.string(),
  }),
  v.object({
    type: v.literal('listening.ended'),
    ...callBase,
    recording: v.optional(v.string()),
    by: v.string(),
    seconds: v.number(),
  }),
  /** It was made from a capture of somebody else (grec import). In the metadata of the recording alone: no journal has it. */
  v.object({
    type: v.literal('recording.imported'),
    ...recordingBase,
    by: v.string(),
    files: v.array(v.string()),
    callIds: v.array(v.string()),
  }),
  v.object({
    type: v.literal('call.released'),
    ...callBase,
    /** Who ended it: the caller, the callee, or the switch. */
    by: v.picklist(['a', 'b', 'switch']),
    /** SIP status of the end; 200 for a BYE. */
    status: v.number(),
    reason: v.string(),
    answered: v.boolean(),
  }),
  v.object({
    type: v.literal('segment.opened'),
    segment: v.string(),
    recording: v.optional(v.string()),
    call: v.optional(v.string()),
  }),
  v.object({
    type: v.literal('segment.closed'),
    segment: v.string(),
    recording: v.optional(v.string()),
    call: v.optional(v.string()),
    reason: v.string(),
  }),
]);

export const eventSchema = v.intersect([
  v.object({
    /** Monotonic within one journal, from 1, without gaps. */
    seq: v.pipe(v.number(), v.integer(), v.minValue(1)),
    at: v.number(),
    daemon: v.picklist(['grec-sipd', 'grec-mediad', 'grec-procd']),
  }),
  eventBodySchema,
]);

export type EventBody = v.InferOutput<typeof eventBodySchema>;
export type JournalEvent = v.InferOutput<typeof eventSchema>;
