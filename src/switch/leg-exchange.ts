// One party of an answered call leaves, another one takes its place: media is agreed between who stays and who comes, and
// the recording goes on with the new party (RFC 5589, RFC 3725 in spirit; the ladder stands in grec(7)).
//
// Until who stays has agreed, the call is as it was: whatever fails before leaves it so, or brings it back.
import { GrecError, messageOf } from '../errors.ts';
import { withDirection } from '../sdp/direction.ts';
import { audioOf, mediaAddress } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import { printSdp } from '../sdp/print.ts';
import type { Call } from './call.ts';
import { type CallMedia, directMedia } from './call-media.ts';
import type { Legs } from './call-model.ts';
import type { CallRecording } from './call-recording.ts';
import { type Leg, otherLabel } from './leg.ts';
import { isSameMedia } from './media-compare.ts';
import { moveMedia } from './move-media.ts';
import { sdpOf } from './sdp-body.ts';
import { hasKeys, mustStayAnchored } from './srtp-policy.ts';

const GIVE_UP_MS = 8000;
/** Attempts when a re-INVITE of the party crosses ours. */
const MOST_ATTEMPTS = 5;

export class LegExchange {
  /** Where the media of the new pair is to run. */
  readonly media: CallMedia;
  readonly #call: Call;
  readonly #stays: Leg;
  readonly #leaves: Leg;
  readonly #comes: Leg;
  readonly #legs: Legs;
  #isOver = false;
  /** What the new party was told of who stays. */
  #told: Buffer | undefined;
  /** Who stays has agreed already. */
  #hasMoved = false;

  /**
   * @param comes the new party, with the label of the one that leaves
   * @param isRecorded the new pair is to be recorded, whether or not the old one was
   */
  constructor(call: Call, comes: Leg, isRecorded: boolean) {
    this.#call = call;
    this.#stays = call.legs[otherLabel(comes.label)];
    this.#leaves = call.legs[comes.label];
    this.#comes = comes;
    this.#legs = comes.label === 'a' ? { a: comes, b: this.#stays } : { a: this.#stays, b: comes };
    const isAnchored =
      isRecorded || call.media.anchored || hasKeys(this.#stays) || mustStayAnchored(call.context, this.#legs);
    this.media = isAnchored ? call.context.anchor(call.id, this.#legs) : directMedia;
  }

  /** What the new party is offered. @throws GrecError NG_TIMEOUT, NG_REFUSED, SDP_INVALID, MEDIA_NOT_MOVED */
  offer(): Promise<Buffer> {
    this.#told = activeDescription(this.#stays);
    return this.media.offer(this.#stays.label, this.#told);
  }

  /**
   * The new party has answered the offer: who stays is told, and the exchange is made.
   * @param acknowledge what the new party waits for
   * @throws GrecError as {@link offer}; the call is as it was
   */
  takeAnswer(answer: Buffer, acknowledge: () => void): Promise<void> {
    return this.#exchange(async () => {
      const forWhoStays = await this.media.answer(this.#comes.label, answer, this.#metadata);
      acknowledge();
      this.#comes.described = answer;
      const agreed = await this.#move(forWhoStays);
      if (this.#told === undefined || !isSameMedia(this.#told, agreed)) await this.#retell(agreed);
    });
  }

  async #move(sdp: Buffer): Promise<Buffer> {
    const agreed = await this.#reoffer(this.#stays, sdp);
    this.#hasMoved = true;
    this.#stays.described = agreed;
    return agreed;
  }

  /** Who stays wants its media elsewhere, or otherwise, than the new party was told. */
  async #retell(agreed: Buffer): Promise<void> {
    const again = await this.media.offer(this.#stays.label, agreed);
    const { anchored } = this.media;
    const known = this.#comes.described;
    const late = anchored && known !== undefined ? known : await this.#reoffer(this.#comes, again);
    await this.media.answer(this.#comes.label, late, this.#metadata);
    this.#comes.described = late;
  }

  /**
   * The new party has made an offer itself.
   * @param accept gives it the answer; it returns false when the party has gone meanwhile
   * @throws GrecError as {@link offer}; the call is as it was
   */
  takeOffer(offer: Buffer, accept: (answer: Buffer) => boolean): Promise<void> {
    return this.#exchange(async () => {
      const forWhoStays = await this.media.offer(this.#comes.label, offer);
      const answer = await this.#move(forWhoStays);
      const forWhoComes = await this.media.answer(this.#stays.label, answer, this.#metadata);
      this.#comes.described = offer;
      this.#comes.offered = offer;
      if (!accept(forWhoComes)) throw new GrecError('MEDIA_NOT_MOVED', `${nameOf(this.#comes)} has gone`);
    });
  }

  /** Nothing comes of it. */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    void this.#free(this.media);
  }

  /** What is asked of the recording waits meanwhile. */
  #exchange(agree: () => Promise<void>): Promise<void> {
    return this.#call.requests.run(() => this.#exchangeNow(agree));
  }

  async #exchangeNow(agree: () => Promise<void>): Promise<void> {
    const call = this.#call;
    await this.#recording?.started;
    await call.exchange.run(async () => {
      const old = call.media;
      const stopped = await this.#stopOld(old);
      try {
        if (call.state !== 'answered' || this.#isOver)
          throw new GrecError('MEDIA_NOT_MOVED', 'the call is over');
        await agree();
        this.#checkPresence();
      } catch (thrown) {
        if (this.#hasMoved && call.state === 'answered') await this.#comeBack();
        this.abandon();
        await this.#goOnAtOld(old, stopped);
        throw thrown;
      }
      this.#isOver = true;
      call.replaceParty(this.#comes, this.media);
      void this.#free(old);
    });
    await this.#record();
  }

  /** It may have begun when it was already said that the new pair is to hear each other directly. */
  async #record(): Promise<void> {
    const call = this.#call;
    const recording = this.#recording;
    const isWanted = recording?.state === 'recording' || recording?.state === 'paused';
    if (isWanted && !call.media.anchored)
      await moveMedia(call, () => call.context.anchor(call.id, call.legs)).catch((thrown: unknown) => {
        call.log.warn(`the new parties were not moved to the media server: ${messageOf(thrown)}`);
      });
    await recording?.goOnWith(this.#legs, call.media);
  }

  /** Who hangs up while the others agree is not heard of again: its dialog has ended before the call has it. */
  #checkPresence(): void {
    if (this.#call.state !== 'answered' || this.#isOver)
      throw new GrecError('MEDIA_NOT_MOVED', 'the call is over');
    if (this.#comes.dialog?.state !== 'confirmed')
      throw new GrecError('MEDIA_NOT_MOVED', `${nameOf(this.#comes)} has gone`);
  }

  /** The recording that goes on with the new party. */
  get #recording(): CallRecording | undefined {
    return this.#call.recording;
  }

  /** What the capture of the new pair is to hold; undefined when nothing is to be captured. */
  get #metadata() {
    const { media } = this;
    return media.anchored && this.#recording?.isRunning ? this.#recording.metadataOf(this.#legs) : undefined;
  }

  /** One capture ends before the next one begins: they are segments of one recording. */
  async #stopOld(old: CallMedia): Promise<boolean> {
    if (!this.#recording?.isRunning || !old.anchored) return false;
    return old.stopRecording().then(
      () => true,
      (thrown: unknown) => {
        this.#call.log.warn(`the media server did not end the segment: ${messageOf(thrown)}`);
        return false;
      },
    );
  }

  async #goOnAtOld(old: CallMedia, stopped: boolean): Promise<void> {
    const recording = this.#recording;
    if (!stopped || recording === undefined || this.#call.state !== 'answered') return;
    await recording.goOnWith(this.#call.legs, old);
  }

  /** Who stays has moved already, and comes back, if it will. */
  async #comeBack(): Promise<void> {
    const { media } = this.#call;
    const before = this.#leaves.described;
    if (before === undefined) return;
    try {
      const offer = await media.offer(this.#leaves.label, before);
      const answer = await this.#reoffer(this.#stays, offer);
      await media.answer(this.#stays.label, answer);
      this.#stays.described = answer;
    } catch (thrown) {
      this.#call.log.error(`${nameOf(this.#stays)} did not come back: ${messageOf(thrown)}`);
    }
  }

  async #reoffer(leg: Leg, sdp: Buffer): Promise<Buffer> {
    const { context } = this.#call;
    for (let attempt = 1; ; attempt += 1) {
      const status = await this.#reofferOnce(leg, sdp);
      if (typeof status !== 'number') return status;
      const isGlare = status === 491;
      if (!isGlare || attempt === MOST_ATTEMPTS)
        throw new GrecError('MEDIA_NOT_MOVED', `${nameOf(leg)} refused the re-INVITE: ${status}`);
      await context.glareDelay();
    }
  }

  /** @returns the answer, or the status of the refusal */
  async #reofferOnce(leg: Leg, sdp: Buffer): Promise<Buffer | number> {
    const { dialog } = leg;
    if (dialog?.state !== 'confirmed') return 481;
    const headers = this.#call.headersFor(leg, leg === this.#stays ? this.#comes : this.#stays);
    const patience = { giveUpAfterMs: GIVE_UP_MS };
    const { response, ack } = await dialog.reinvite({ headers, body: leg.tell(sdp), patience });
    if (response.status >= 300) return response.status;
    ack();
    leg.learn(response);
    return sdpOf(response) ?? 488;
  }

  async #free(media: CallMedia): Promise<void> {
    await media.release().catch((thrown: unknown) => {
      this.#call.log.warn(`the media server did not release the call: ${messageOf(thrown)}`);
    });
  }
}

/**
 * What a party can do, to be offered to another one: with all its formats when they are known, and ready to speak even though
 * it is on hold; only who holds by itself goes on doing so.
 * @throws GrecError MEDIA_NOT_MOVED when it has never described its media
 */
export function activeDescription(leg: Leg): Buffer {
  const { described, offered, held } = leg;
  if (described === undefined)
    throw new GrecError('MEDIA_NOT_MOVED', `${nameOf(leg)} has never described its media`);
  const sdp = offered !== undefined && isSamePlace(offered, described) ? offered : described;
  const parsed = parseSdp(sdp);
  return parsed.ok ? Buffer.from(printSdp(withDirection(parsed.sdp, held ? 'sendonly' : 'sendrecv'))) : sdp;
}

function isSamePlace(one: Buffer, other: Buffer): boolean {
  const [first, second] = [placeOf(one), placeOf(other)];
  return first !== undefined && first === second;
}

function placeOf(sdp: Buffer): string | undefined {
  const parsed = parseSdp(sdp);
  const audio = parsed.ok ? audioOf(parsed.sdp) : undefined;
  if (!parsed.ok || audio === undefined) return undefined;
  return JSON.stringify(mediaAddress(parsed.sdp, audio));
}

function nameOf({ party }: Leg): string {
  return party.number;
}
