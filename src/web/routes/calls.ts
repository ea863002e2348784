// Calls that are up, and what is asked of their recordings, in the words of Interaction Recording Web Services.
import * as v from 'valibot';
import { GrecError } from '../../errors.ts';
import type { Identity } from '../identity.ts';
import { ok, type Route, route } from '../route.ts';
import { sparingly } from '../sparingly.ts';
import type { Web } from '../web.ts';
import { reasonSchema } from './schemas.ts';

/** A call as grec-sipd shows it. */
interface SwitchCall {
  call: string;
  sessionId: string;
  from: string;
  to: string;
  state: string;
  agents: string[];
  held: string[];
  recording: string | null;
  recordingState: string;
  operations: ('start' | 'pause' | 'resume' | 'stop')[];
  startedAt: string;
}

/** Two re-INVITEs that parties answer late, and some attempts more when theirs cross ours. */
const PATIENCE_MS = 120_000;
const OPERATIONS = {
  StartCallRecording: 'start',
  PauseCallRecording: 'pause',
  ResumeCallRecording: 'resume',
  StopCallRecording: 'stop',
} as const;
type Operation = keyof typeof OPERATIONS;
const NAMES = Object.keys(OPERATIONS) as Operation[];
const STATES: Record<string, 'Recording' | 'Paused'> = { recording: 'Recording', paused: 'Paused' };

const callSchema = v.strictObject({
  id: v.string(),
  sessionId: v.string(),
  from: v.string(),
  to: v.string(),
  agents: v.array(v.string()),
  state: v.string(),
  held: v.array(v.string()),
  recordingId: v.nullable(v.string()),
  recordingState: v.picklist(['Recording', 'Paused', 'Stopped']),
  /** What may be asked for now. */
  capabilities: v.array(v.picklist(NAMES)),
  startTime: v.string(),
});
const listSchema = v.strictObject({ statusCode: v.literal(0), calls: v.array(callSchema) });
const oneSchema = v.strictObject({ statusCode: v.literal(0), call: callSchema });
const params = v.strictObject({
  id: v.pipe(v.string(), v.regex(/^[0-9a-f-]{8,64}$/, 'expected the id of a call')),
});
const requestSchema = v.strictObject({
  operationName: v.picklist(NAMES),
  reason: v.optional(reasonSchema, 'no reason given'),
});

type AllCalls = () => Promise<SwitchCall[]>;
interface Calls {
  web: Web;
  /** Up to a second old. */
  all: AllCalls;
}
type Sight = (who: Identity) => ReadonlySet<string> | null;

export function callRoutes(web: Web): Route[] {
  const by = { user: 'grec-webd', from: 'calls' };
  const all: AllCalls = sparingly(async () => {
    const asked = { method: 'GET', path: '/calls', by } as const;
    return (await web.ask<{ calls: SwitchCall[] }>('grec-sipd', asked)).calls;
  });
  return [
    ...routesBelow({ web, all }, '/me/calls', 'calls:own', ({ own }) => own),
    ...routesBelow({ web, all }, '/calls', 'calls:others', ({ sight }) => sight),
  ];
}

function routesBelow(
  { web, all }: Calls,
  path: string,
  needs: 'calls:own' | 'calls:others',
  sight: Sight,
): Route[] {
  return [
    route({
      method: 'GET',
      path,
      summary: 'Calls that are up',
      needs,
      answers: { 200: { what: 'Those that the user may see here.', schema: listSchema } },
      handle: async ({ who }) =>
        ok({ statusCode: 0, calls: (await all()).filter((one) => isSeen(one, sight(who))).map(shown) }),
    }),
    route({
      method: 'GET',
      path: `${path}/:id`,
      summary: 'One call',
      needs,
      params,
      answers: { 200: { what: 'The call.', schema: oneSchema }, 404: { what: 'There is none.' } },
      handle: async ({ who, params: { id } }) =>
        ok({ statusCode: 0, call: shown(await callOf(web, who, sight(who), id)) }),
    }),
    route({
      method: 'POST',
      path: `${path}/:id`,
      summary: 'Start, pause, resume or stop its recording',
      needs,
      params,
      body: requestSchema,
      answers: {
        200: { what: 'The call as it is now.', schema: oneSchema },
        404: { what: 'There is none.' },
        409: { what: 'This cannot be done now; capabilities say what can.' },
      },
      handle: async ({ who, params: { id }, body }) => {
        const { call } = await callOf(web, who, sight(who), id);
        return ok({ statusCode: 0, call: shown(await control(web, who, call, body)) });
      },
    }),
  ];
}

type Seen = ReadonlySet<string> | null;

function isSeen({ from, to, agents }: SwitchCall, sight: Seen): boolean {
  return sight === null || [from, to, ...agents].some((number) => sight.has(number));
}

/** The whole id alone: the switch itself takes a part of it, or a DN, as well. */
async function callOf(web: Web, { by }: Identity, sight: Seen, id: string): Promise<SwitchCall> {
  const path = `/calls/${encodeURIComponent(id)}`;
  const found = await web.ask<SwitchCall>('grec-sipd', { method: 'GET', path, by }).catch(unlessUnknown);
  if (found?.call === id && isSeen(found, sight)) return found;
  throw new GrecError('CALL_UNKNOWN', `there is no call ${id}`);
}

/** What is not there is told in the same words as what is not theirs. */
function unlessUnknown(thrown: unknown): undefined {
  if (thrown instanceof GrecError && ['CALL_UNKNOWN', 'CALL_AMBIGUOUS'].includes(thrown.code))
    return undefined;
  throw thrown;
}

async function control(
  web: Web,
  { user, by }: Identity,
  call: string,
  { operationName, reason }: v.InferOutput<typeof requestSchema>,
): Promise<SwitchCall> {
  const operation = OPERATIONS[operationName];
  await web.note(by, { what: 'call', details: { call, operation, reason } });
  return web.ask<SwitchCall>('grec-sipd', {
    method: 'POST',
    path: `/calls/${encodeURIComponent(call)}/recording`,
    body: { operation, reason, by: `user ${user}` },
    by,
    timeoutMs: PATIENCE_MS,
  });
}

function shown(call: SwitchCall): v.InferOutput<typeof callSchema> {
  const { sessionId, from, to, agents, state, held, recording, recordingState, operations, startedAt } = call;
  return {
    id: call.call,
    ...{ sessionId, from, to, agents, state, held },
    recordingId: recording,
    recordingState: STATES[recordingState] ?? 'Stopped',
    capabilities: NAMES.filter((name) => operations.includes(OPERATIONS[name])),
    startTime: startedAt,
  };
}
