// Recording on request, mid-call: start, pause, resume and stop, whoever asks (operator, agent's desktop, phone).
import { GrecError, messageOf } from '../errors.ts';
import type { Call } from './call.ts';
import { directMedia } from './call-media.ts';
import type { Asked, CallRecording } from './call-recording.ts';
import type { Label } from './leg.ts';
import { moveMedia } from './move-media.ts';
import { mayGoDirect } from './nat.ts';
import { hasKeys, mustStayAnchored } from './srtp-policy.ts';

export const OPERATIONS = ['start', 'pause', 'resume', 'stop'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** What may be asked of a call now (Genesys `capabilities`). A mandatory recording may be paused, and not be stopped. */
export function allowedOperations(call: Call): Operation[] {
  const isMandatory = call.plan.decision.mandatory === true;
  return operationsOf(call).filter((operation) => operation !== 'stop' || !isMandatory);
}

function operationsOf(call: Call): Operation[] {
  if (call.state !== 'answered') return [];
  switch (call.recording?.state) {
    case 'recording':
      return ['pause', 'stop'];
    case 'paused':
      return ['resume', 'stop'];
    case 'starting':
      return [];
    case 'interrupted':
      return ['stop'];
    default:
      return ['start'];
  }
}

/** What has already been reached by the time it is asked for. */
const REACHED: Record<Operation, readonly (string | undefined)[]> = {
  start: ['recording'],
  pause: ['paused'],
  resume: ['recording'],
  stop: ['stopped', undefined],
};

export interface Requested {
  /** False when it was so already. */
  changed: boolean;
  /** The recording spoken of; null when there is none. */
  recording: string | null;
}

/**
 * Does what is asked of a call's recording; one request after the other.
 * @throws GrecError RECORDING_STATE (not possible now), MEDIA_NOT_MOVED, NG_TIMEOUT, NG_REFUSED; the call goes on
 */
export function requestRecording(call: Call, operation: Operation, asked: Asked): Promise<Requested> {
  return call.requests.run(async () => {
    const before = call.recording;
    if (call.state === 'answered' && REACHED[operation].includes(before?.state))
      return { changed: false, recording: before?.id ?? null };
    if (!allowedOperations(call).includes(operation)) throw notNow(call, operation);
    call.log.info({ operation, ...asked }, 'recording request');
    await WORK[operation](call, asked);
    return { changed: true, recording: (call.recording ?? before)?.id ?? null };
  });
}

const SIDES = { a: 'source', b: 'destination' } as const;

/** The leg of the DN for which it is asked: its party is the agent. */
function labelOf({ legs }: Call, dn: string | undefined): Label | undefined {
  if (dn === undefined) return undefined;
  return [legs.a, legs.b].find(({ party }) => party.dn === dn)?.label;
}

function notNow(call: Call, operation: Operation): GrecError {
  const state =
    call.state === 'answered' ? `its recording is ${call.recording?.state ?? 'off'}` : `it is ${call.state}`;
  const allowed = allowedOperations(call).join(', ') || 'nothing';
  return new GrecError('RECORDING_STATE', `cannot ${operation} the recording of call ${call.id}: ${state}`, {
    hint: `what can be asked of it now: ${allowed}`,
  });
}

const WORK: Record<Operation, (call: Call, asked: Asked) => Promise<void>> = {
  async start(call, asked) {
    const agent = labelOf(call, asked.dn);
    const recording = call.newRecording(agent);
    call.recording = recording;
    const side = agent === undefined ? call.plan.decision.side : SIDES[agent];
    const { dn, agentId } = agent === undefined ? call.plan.decision : call.legs[agent].party;
    const reason = `asked for by ${asked.by ?? 'the operator'}: ${asked.reason}`;
    const decided = { record: true, side, dn, agentId, reason };
    call.context.journal({ type: 'recording.decided', call: call.id, ...decided });
    await begin(call, recording);
    if (recording.state === 'failed')
      throw new GrecError('NG_REFUSED', `recording ${recording.id} could not be started`, {
        hint: '`grec status` and the log of grec-mediad say why',
      });
  },

  async pause({ recording, media }, asked) {
    await recording?.pause(media, asked);
  },

  async resume({ recording, media }, asked) {
    await recording?.resume(media, asked);
  },

  async stop(call, asked) {
    if (call.recording?.state !== 'interrupted') await call.media.stopRecording();
    call.recording?.stop(asked.reason, asked.by);
    await setDirect(call);
  },
};

/** @throws GrecError MEDIA_NOT_MOVED; the recording has failed then, unless it was interrupted, and is looked after */
async function begin(call: Call, recording: CallRecording): Promise<void> {
  try {
    const to = () => (call.media.anchored ? undefined : call.context.anchor(call.id, call.legs));
    if (!call.media.anchored) await moveMedia(call, to);
  } catch (thrown) {
    if (recording.state !== 'interrupted') recording.fail(messageOf(thrown));
    throw thrown;
  }
  await recording.start(call.media);
}

/** Records a call of which it was not known in time that it is to be recorded. Never rejects: a failure is told. */
export function recordLate(call: Call, recording: CallRecording): Promise<void> {
  return call.requests.run(() => begin(call, recording)).catch(() => undefined);
}

/** {@link setDirect} in its turn: a recording that is asked for meanwhile must not begin where the media is about to leave. */
export function setDirectInTurn(call: Call): Promise<void> {
  return call.requests.run(() => setDirect(call));
}

const UNDER_WAY: readonly (string | undefined)[] = ['starting', 'recording', 'paused', 'interrupted'];

/** The media server is needed no more, unless a party can be heard through it alone. What fails leaves the media there. */
async function setDirect(call: Call): Promise<void> {
  const staysPut = () => !call.media.anchored || UNDER_WAY.includes(call.recording?.state);
  if (staysPut() || call.plan.decision.isAnchored || !mayGoDirect(call.legs)) return;
  const { a, b } = call.legs;
  if (hasKeys(a) || hasKeys(b) || mustStayAnchored(call.context, call.legs)) return;
  await moveMedia(call, () => (staysPut() ? undefined : directMedia)).catch((thrown: unknown) => {
    call.log.warn(`the media stays at the media server: ${messageOf(thrown)}`);
  });
}
