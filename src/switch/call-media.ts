// What each party's SDP becomes: its own (direct media), or the media server's (anchored) (RFC 3264).
import { isIPv6 } from 'node:net';
import type { SrtpWord } from '../dn-settings.ts';
import { GrecError } from '../errors.ts';
import type { NgClient } from '../ng/client.ts';
import { keepFormats } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import { printSdp } from '../sdp/print.ts';
import type { RecordingMetadata } from '../spool/segment.ts';
import type { CallContext, Legs } from './call-model.ts';
import { isAgent, type Label, otherLabel } from './leg.ts';
import { asRequired, towards, wordOf } from './srtp-policy.ts';

/** The media of one call. Every SDP that crosses the switch goes through it, in either direction. */
export interface CallMedia {
  readonly anchored: boolean;
  /** `from` offers: resolves with what the other party is offered. @throws GrecError SDP_INVALID, NG_TIMEOUT, NG_REFUSED */
  offer(from: Label, sdp: Buffer): Promise<Buffer>;
  /**
   * `from` answers: resolves with what the offerer gets. With `recording`, the capture begins with the answer, before the
   * offerer can hear of it.
   * @throws GrecError like {@link offer}
   */
  answer(from: Label, sdp: Buffer, recording?: RecordingMetadata): Promise<Buffer>;
  /**
   * Resolves when the recording is on the media server's disk; begins it if no answer has.
   * @throws GrecError NG_TIMEOUT, NG_REFUSED
   */
  startRecording(metadata: RecordingMetadata): Promise<void>;
  /** Nothing is written from here on; the media flows on. @throws GrecError NG_TIMEOUT, NG_REFUSED */
  stopRecording(): Promise<void>;
  /** Whether the media server knows the call. @throws GrecError NG_TIMEOUT */
  exists(): Promise<boolean>;
  /** Frees the media server's ports; ends what is recorded. @throws GrecError NG_TIMEOUT, NG_REFUSED */
  release(): Promise<void>;
}

/** The parties' media flows between them; the switch has no part in it. */
export const directMedia: CallMedia = {
  anchored: false,
  offer: async (_from, sdp) => sdp,
  answer: async (_from, sdp) => sdp,
  startRecording: async () => {
    throw new GrecError('INTERNAL', 'a call with direct media cannot be recorded');
  },
  stopRecording: async () => undefined,
  exists: async () => true,
  release: async () => undefined,
};

/** What the processor makes audible without ffmpeg, and what may accompany it; other formats are left out of offers. */
const RECORDABLE = new Set(['PCMU', 'PCMA', 'TELEPHONE-EVENT', 'CN']);

/**
 * Media through the media server.
 * @param callId the call's name in the ng protocol
 * @param featureCodes what agents may dial as telephone events; the media server tells of it
 * @param legs each as it is when it is spoken of: parties come and go
 * @param srtpOf what is said of SRTP with a party
 */
export function anchoredMedia(
  client: Pick<NgClient, 'request'>,
  callId: string,
  legs: Legs,
  featureCodes: readonly string[] = [],
  srtpOf?: CallContext['srtpOf'],
): CallMedia {
  const base = { 'call-id': callId };
  const ng = inTurn(client);
  let offerer: Label = 'a';
  const familyOf = (label: Label) => (isIPv6(legs[label].source) ? 'IP6' : 'IP4');
  const receivedFrom = (label: Label) => ({ 'received-from': [familyOf(label), legs[label].source] });
  /** What an agent may dial as telephone events. */
  const codesOf = (label: Label) =>
    isAgent(legs[label]) && featureCodes.length > 0 ? { 'feature-codes': [...featureCodes] } : {};
  return {
    anchored: true,
    async offer(from, sdp) {
      const text = recordableOffer(sdp, wordOf({ srtpOf }, legs[from]));
      const reply = await ng.request({
        command: 'offer',
        ...base,
        'from-tag': legs[from].tag,
        'to-tag': legs[otherLabel(from)].tag,
        ...receivedFrom(from),
        'address family': familyOf(otherLabel(from)),
        ...towards(wordOf({ srtpOf }, legs[otherLabel(from)])),
        replace: ['origin'],
        ...codesOf(from),
        sdp: text,
      });
      offerer = from;
      return sdpOf(reply.sdp);
    },
    async answer(from, sdp, recording) {
      const wish = recording && { 'record call': 'yes', metadata: JSON.stringify(recording) };
      const reply = await ng.request({
        command: 'answer',
        ...wish,
        ...base,
        'from-tag': legs[offerer].tag,
        'to-tag': legs[otherLabel(offerer)].tag,
        ...receivedFrom(from),
        replace: ['origin'],
        ...codesOf(from),
        sdp: sdp.toString('utf8'),
      });
      return sdpOf(reply.sdp);
    },
    async startRecording(metadata) {
      await ng.request({ command: 'start recording', ...base, metadata: JSON.stringify(metadata) });
    },
    async stopRecording() {
      await ng.request({ command: 'stop recording', ...base });
    },
    async exists() {
      try {
        await ng.request({ command: 'query', ...base });
        return true;
      } catch (thrown) {
        if (thrown instanceof GrecError && thrown.code === 'NG_REFUSED') return false;
        throw thrown;
      }
    },
    async release() {
      await ng.request({ command: 'delete', ...base, 'from-tag': legs.a.tag, 'delete-delay': 0 });
    },
  };
}

/** One request after the other: a delete that overtakes a lost and repeated offer would leave its ports open. */
function inTurn(client: Pick<NgClient, 'request'>): Pick<NgClient, 'request'> {
  let last: Promise<unknown> = Promise.resolve();
  return {
    request(request) {
      const reply = last.then(() => client.request(request));
      last = reply.catch(() => undefined);
      return reply;
    },
  };
}

function recordableOffer(sdp: Buffer, word: SrtpWord): string {
  const parsed = parseSdp(sdp);
  if (!parsed.ok) throw new GrecError('SDP_INVALID', `the offer is not acceptable: ${parsed.reason}`);
  const offered = asRequired(parsed.sdp, word);
  const narrowed = keepFormats(offered, ({ encoding }) => RECORDABLE.has(encoding));
  // With nothing recordable in it the call matters more: it keeps its formats, and the processor raises the alarm.
  return printSdp(narrowed ?? offered);
}

function sdpOf(sdp: unknown): Buffer {
  if (typeof sdp === 'string' && sdp !== '') return Buffer.from(sdp, 'utf8');
  throw new GrecError('NG_REFUSED', 'the media server answered without SDP');
}
