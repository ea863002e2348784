// One call of a test phone: its dialog, the offers and answers in it, its media (RFC 3261 section 13, RFC 3264).
import {
  audioOf,
  continueSession,
  createAnswer,
  createOffer,
  type Direction,
  directionOf,
  isSpeech,
  mediaAddress,
  rtpFormats,
} from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import { printSdp } from '../sdp/print.ts';
import type { SessionDescription } from '../sdp/session-description.ts';
import type { SipMessage, SipResponse } from '../sip/message.ts';
import { sipfragStatus } from '../sip/refer-subscription.ts';
import { printReferTo } from '../sip/refer-to.ts';
import { printReplaces } from '../sip/replaces.ts';
import type { Body, Dialog, IncomingRequest } from '../sip/user-agent.ts';
import type { PhoneMedia } from './phone-media.ts';
import type { SentAudio } from './rtp-sender.ts';

const SDP_TYPE = 'application/sdp';

/** How the setting up of a call went: `status` is that of the final response. */
export interface CallOutcome {
  answered: boolean;
  status: number;
  reason: string;
}

export interface CallEnd {
  /** `setup`: it was never answered. */
  by: 'local' | 'remote' | 'timeout' | 'setup';
}

/** A call that a test phone places or takes. */
export interface PhoneCall {
  readonly callId: string;
  readonly direction: 'outgoing' | 'incoming';
  /** Of the dialog, once it stands. */
  readonly tags: { local: string; remote: string } | undefined;
  /** The URI of the other side, as From or To says. */
  readonly remoteUri: string;
  /** The Session-ID header of the INVITE or its answer (RFC 7989), as it stood. */
  readonly sessionId: string | undefined;
  /** Status codes of the provisional responses that came. */
  readonly provisional: readonly number[];
  /** With the first 180 or 183; never when the call is decided without. */
  readonly ringing: Promise<void>;
  /** Once the call is answered (ACK sent, or come) or has failed. Never rejects. */
  readonly outcome: Promise<CallOutcome>;
  readonly ended: Promise<CallEnd>;
  /** Upper case, as negotiated: PCMU or PCMA. Undefined before the answer. */
  readonly encoding: string | undefined;
  /** Re-INVITEs that came. */
  readonly reinvites: number;
  readonly media: PhoneMedia;
  /** Sends companded audio in the negotiated encoding; resolves when its last packet has left. */
  speak(audio: Uint8Array): Promise<SentAudio>;
  /** @returns the status of the final response to the re-INVITE */
  hold(): Promise<number>;
  retrieve(): Promise<number>;
  /** Changes the direction of the audio by UPDATE (RFC 3311). @returns the status of its final response */
  update(direction: Direction): Promise<number>;
  /**
   * Sends the other side elsewhere (RFC 3515): to a URI, or to the other side of `consultation`.
   * @returns the status of the REFER's response, and that of the outcome, once NOTIFY tells it
   */
  refer(uri: string, consultation?: PhoneCall): Promise<{ status: number; outcome: Promise<number> }>;
  /** What an INVITE names this call by that is to take the place of its phone's other side (RFC 3891). */
  readonly replaces: string | undefined;
  /** BYE, or CANCEL before the answer. */
  hangup(): Promise<void>;
}

export interface CallParts {
  direction: 'outgoing' | 'incoming';
  callId: string;
  remoteUri: string;
  media: PhoneMedia;
  encodings: readonly string[];
  cancel(): void;
}

/** The call as its phone drives it. */
export class TestCall implements PhoneCall {
  readonly direction: 'outgoing' | 'incoming';
  callId: string;
  readonly remoteUri: string;
  readonly media: PhoneMedia;
  sessionId: string | undefined;
  readonly provisional: number[] = [];
  encoding: string | undefined;
  reinvites = 0;
  readonly #ringing = Promise.withResolvers<void>();
  readonly #outcome = Promise.withResolvers<CallOutcome>();
  readonly #ended = Promise.withResolvers<CallEnd>();
  readonly #encodings: readonly string[];
  readonly #cancel: () => void;
  #dialog: Dialog | undefined;
  /** What became of the last REFER. */
  #referred = Promise.withResolvers<number>();
  #ours: SessionDescription | undefined;
  /** As it asked for last: one that holds goes on holding, whatever it is offered. */
  #direction: Direction = 'sendrecv';

  constructor(parts: CallParts) {
    this.direction = parts.direction;
    this.callId = parts.callId;
    this.remoteUri = parts.remoteUri;
    this.media = parts.media;
    this.#encodings = parts.encodings;
    this.#cancel = parts.cancel;
    void this.#ended.promise.then(() => this.media.stop());
  }

  get tags(): { local: string; remote: string } | undefined {
    return this.#dialog && { local: this.#dialog.localTag, remote: this.#dialog.remoteTag };
  }

  get ringing(): Promise<void> {
    return this.#ringing.promise;
  }

  get outcome(): Promise<CallOutcome> {
    return this.#outcome.promise;
  }

  get ended(): Promise<CallEnd> {
    return this.#ended.promise;
  }

  speak(audio: Uint8Array): Promise<SentAudio> {
    return this.media.play(audio);
  }

  hold(): Promise<number> {
    return this.#renegotiate('sendonly');
  }

  retrieve(): Promise<number> {
    return this.#renegotiate('sendrecv');
  }

  async update(direction: Direction): Promise<number> {
    if (this.#dialog === undefined) return 481;
    const response = await this.#dialog.update({ body: this.offer(direction) });
    if (response.status >= 300) return response.status;
    this.#direction = direction;
    this.takeDescription(response);
    return response.status;
  }

  get replaces(): string | undefined {
    const { callId, tags } = this;
    if (tags === undefined) return undefined;
    return printReplaces({ callId, toTag: tags.remote, fromTag: tags.local, earlyOnly: false });
  }

  async refer(uri: string, consultation?: PhoneCall): Promise<{ status: number; outcome: Promise<number> }> {
    this.#referred = Promise.withResolvers<number>();
    const headers = { 'refer-to': printReferTo(uri, consultation?.replaces) };
    const response = await this.#dialog?.request('REFER', { headers });
    return { status: response?.status ?? 481, outcome: this.#referred.promise };
  }

  #notified(request: IncomingRequest): void {
    request.respond(200);
    const status = sipfragStatus(request.message.body);
    if (status !== undefined && status >= 200) this.#referred.resolve(status);
  }

  #receive(request: IncomingRequest): void {
    const { method } = request.message;
    if (method === 'NOTIFY') this.#notified(request);
    else request.respond(method === 'OPTIONS' ? 200 : 405);
  }

  async hangup(): Promise<void> {
    this.media.stop();
    if (this.#dialog === undefined) this.#cancel();
    else if (this.#dialog.state === 'confirmed') await this.#dialog.bye();
    this.#ended.resolve({ by: 'local' });
  }

  /** A provisional response came. */
  progress(response: SipResponse): void {
    this.provisional.push(response.status);
    if (response.status === 180 || response.status === 183) this.#ringing.resolve();
  }

  /** The final response to our INVITE was not a 2xx, or the caller gave up. */
  fail(status: number, reason: string): void {
    this.#outcome.resolve({ answered: false, status, reason });
    this.#ended.resolve({ by: 'setup' });
  }

  /** The dialog stands; requests in it are served from here on. */
  attach(dialog: Dialog): void {
    this.#dialog = dialog;
    dialog.onReinvite = (request) => this.#answerReinvite(request);
    dialog.onUpdate = (request) => this.#answerReinvite(request);
    dialog.onRequest = (request) => this.#receive(request);
    dialog.onAck = (ack) => {
      this.takeDescription(ack);
      this.succeed();
    };
    dialog.onEnd = ({ by }) => {
      this.#outcome.resolve({ answered: true, status: 200, reason: 'ended before its ACK' });
      this.#ended.resolve({ by });
    };
  }

  succeed(): void {
    this.#outcome.resolve({ answered: true, status: 200, reason: 'OK' });
  }

  /** An offer of ours, with the next session version when it differs from the last description. */
  offer(direction: Direction = this.#direction): Body {
    return this.#describe(createOffer({ ...this.#local(), direction }));
  }

  /** Our answer to the offer in `message`, or an offer when it carries none; undefined when nothing is common. */
  answer(message: SipMessage): Body | undefined {
    if (message.body.length === 0) return this.offer();
    const parsed = parseSdp(message.body);
    const answer = parsed.ok ? createAnswer(parsed.sdp, this.#local()) : undefined;
    if (!parsed.ok || answer === undefined) return undefined;
    this.#follow(parsed.sdp, answer);
    return this.#describe(answer);
  }

  /** Takes the answer that stands in `message`, if one does. */
  takeDescription(message: SipMessage): void {
    if (message.body.length === 0) return;
    const parsed = parseSdp(message.body);
    if (parsed.ok) this.#follow(parsed.sdp, parsed.sdp);
  }

  #local() {
    return {
      address: this.media.address,
      port: this.media.rtpPort,
      encodings: this.#encodings,
      telephoneEvent: true,
      direction: this.#direction,
    };
  }

  #describe(next: SessionDescription): Body {
    this.#ours = continueSession(this.#ours, next);
    return { type: SDP_TYPE, bytes: printSdp(this.#ours) };
  }

  /** Sends where `remote` says, in the format that `agreed` puts first. */
  #follow(remote: SessionDescription, agreed: SessionDescription): void {
    const audio = audioOf(remote);
    const agreedAudio = audioOf(agreed);
    const address = audio === undefined ? undefined : mediaAddress(remote, audio);
    const format = agreedAudio === undefined ? undefined : rtpFormats(agreedAudio).find(isSpeech);
    if (audio === undefined || address === undefined || format === undefined) return;
    const direction = directionOf(audio, remote);
    const mayReceive = direction === 'sendrecv' || direction === 'recvonly';
    this.encoding = format.encoding;
    this.media.aim({
      address: address.address,
      rtpPort: address.rtpPort,
      payloadType: format.payloadType,
      mayReceive,
    });
  }

  #answerReinvite(request: IncomingRequest): void {
    this.reinvites += 1;
    const body = this.answer(request.message);
    if (body === undefined) request.respond(488);
    else request.respond(200, { body });
  }

  async #renegotiate(direction: Direction): Promise<number> {
    if (this.#dialog === undefined) return 481;
    const { response, ack } = await this.#dialog.reinvite({ body: this.offer(direction) });
    if (response.status >= 300) return response.status;
    this.#direction = direction;
    this.takeDescription(response);
    ack();
    return response.status;
  }
}

/** The value of a header that is not taken apart. */
export function headerOf(message: SipMessage, name: string): string | undefined {
  const value = message.headers[name];
  return typeof value === 'string' ? value : undefined;
}
