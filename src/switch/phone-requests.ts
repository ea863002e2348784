// What an agent asks of a recording with the telephone alone: its record button, and feature codes dialled in the call.
//
// The button is INFO with `Record: on` or `off`, as Snom, Yealink and Polycom send it. Feature codes come as INFO with
// application/dtmf-relay or application/dtmf; a code is taken out of the stream of digits, everything else is passed on.
import { messageOf } from '../errors.ts';
import { FeatureCodes } from '../feature-codes.ts';
import type { SipRequest } from '../sip/message.ts';
import type { Call } from './call.ts';
import { isAgent, type Leg } from './leg.ts';
import { type Operation, requestRecording } from './recording-requests.ts';

/** What a code does; `record` starts a recording or stops the one there is, `pause` pauses it or lets it go on. */
export type Feature = 'record' | 'pause';

/** @returns what the record button asks for; undefined when the message is none of its */
export function readRecordButton({ headers }: SipRequest): 'start' | 'stop' | undefined {
  const value = headers['record'];
  if (typeof value !== 'string') return undefined;
  const word = value.trim().toLowerCase();
  if (word === 'on') return 'start';
  return word === 'off' ? 'stop' : undefined;
}

/** The digit in an INFO, or undefined: `Signal=5` (dtmf-relay), or the digit alone (dtmf). */
export function readDtmf({ headers, body }: SipRequest): string | undefined {
  const type = headers['content-type'];
  const name = typeof type === 'string' ? (type.split(';')[0] ?? '').trim().toLowerCase() : '';
  const text = body.toString('latin1', 0, 200);
  if (name === 'application/dtmf-relay')
    return named(/^\s*Signal\s*=\s*(\d{1,2}|[*#A-D])\s*$/im.exec(text)?.[1]);
  return name === 'application/dtmf' ? named(/^\s*(\d{1,2}|[*#A-D])\s*$/i.exec(text)?.[1]) : undefined;
}

/** Some phones send the event's number of RFC 4733: 10 is `*`, 11 is `#`. */
function named(signal: string | undefined): string | undefined {
  if (signal === '10') return '*';
  if (signal === '11') return '#';
  return signal?.length === 1 ? signal.toUpperCase() : undefined;
}

/** Does what a party's telephone asks, after it has been answered; nobody waits for the outcome. */
export function requestByPhone(call: Call, leg: Leg, operation: Operation, how: string): void {
  const { dn, number } = leg.party;
  const asked = { by: `DN ${dn ?? number}`, dn, reason: how };
  requestRecording(call, operation, asked).catch((thrown: unknown) => {
    call.log.warn({ operation, by: asked.by }, `recording request refused: ${messageOf(thrown)}`);
  });
}

/** The feature codes of one party, who dials them digit by digit. */
export function featureCodesOf(call: Call, leg: Leg): FeatureCodes<Feature> {
  return new FeatureCodes(call.context.featureCodes, (feature) => {
    requestByPhone(call, leg, operationOf(call, feature), 'feature code');
  });
}

function operationOf({ recording }: Call, feature: Feature): Operation {
  const isOn = recording?.state === 'recording' || recording?.state === 'paused';
  if (feature === 'record') return isOn ? 'stop' : 'start';
  return recording?.state === 'paused' ? 'resume' : 'pause';
}

/** A feature code came as telephone events (RFC 4733): the media server has taken it out. */
export function takeFeatureCode(call: Call, tag: string, code: string): void {
  const leg = [call.legs.a, call.legs.b].find((candidate) => candidate.tag === tag);
  const feature = call.context.featureCodes.get(code);
  if (leg === undefined || feature === undefined || !isAgent(leg)) return;
  requestByPhone(call, leg, operationOf(call, feature), 'feature code');
}
