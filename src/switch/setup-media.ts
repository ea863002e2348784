// Offers and answers of a call that is being set up, on their way through its media server, which may be lost at each of them:
// the call is set up all the same, with direct media (RFC 3264).
import { GrecError, messageOf } from '../errors.ts';
import type { RecordingMetadata } from '../spool/segment.ts';
import type { Call } from './call.ts';
import { directMedia } from './call-media.ts';
import type { Label } from './leg.ts';
import { isConverted } from './srtp-policy.ts';

export class SetupMedia {
  readonly #call: Call;
  /** The offer as the caller made it; undefined when the INVITE had none. */
  readonly #offer: Buffer | undefined;
  /** Runs a step after those before it. */
  readonly #enqueue: (step: () => Promise<void>) => void;
  /** Who was shown a media server that is gone, and can be told only when the call is answered. */
  readonly #offerLater = new Map<Label, Buffer>();
  /** Why the media server was lost. */
  loss: string | undefined;

  constructor(call: Call, offer: Buffer | undefined, enqueue: (step: () => Promise<void>) => void) {
    this.#call = call;
    this.#offer = offer;
    this.#enqueue = enqueue;
  }

  /** The caller's offer, as the callee gets it. */
  async offerToCallee(sdp: Buffer): Promise<Buffer> {
    try {
      return await this.#call.media.offer('a', sdp);
    } catch (thrown) {
      this.#loseMedia(thrown);
      return sdp;
    }
  }

  /** The callee's offer, as the caller gets it. */
  offerToCaller(sdp: Buffer): Promise<Buffer> {
    this.#call.legs.b.offered = sdp;
    return this.#call.media.offer('b', sdp).catch((thrown: unknown) => {
      this.#loseMedia(thrown);
      return sdp;
    });
  }

  /** The caller's answer to the callee's offer `offered`, as the callee gets it. */
  async answerToCallee(answer: Buffer, offered: Buffer, recording?: RecordingMetadata): Promise<Buffer> {
    const { legs, media } = this.#call;
    legs.a.described = answer;
    legs.b.described = offered;
    try {
      return await media.answer('a', answer, recording);
    } catch (thrown) {
      this.#loseMedia(thrown);
      // The caller was shown the media server, which has gone since: it is offered the callee itself.
      this.#enqueue(() => this.#offerAgain('a', offered));
      return answer;
    }
  }

  /** The callee's answer to the caller's offer, as the caller gets it. */
  async answerToCaller(sdp: Buffer, recording?: RecordingMetadata): Promise<Buffer> {
    this.#call.legs.b.described = sdp;
    try {
      return await this.#call.media.answer('b', sdp, recording);
    } catch (thrown) {
      this.#loseMedia(thrown);
      this.#redirectCallee();
      return sdp;
    }
  }

  /** Both are there to be told what they were not told yet. */
  offerPending(): void {
    for (const [label, sdp] of this.#offerLater) this.#enqueue(() => this.#offerAgain(label, sdp));
    this.#offerLater.clear();
  }

  /** Without a media server the call is set up all the same, with direct media, unless the parties cannot hear each other then. */
  #loseMedia(thrown: unknown): void {
    this.loss = messageOf(thrown);
    const anchored = this.#call.media;
    this.#call.media = directMedia;
    this.#call.recording?.fail(this.loss);
    // What the media server may hold already is of no use; when it does not answer there is nothing to free.
    void anchored.release().catch(() => undefined);
    if (!this.#isConverted()) return;
    // What one of them speaks the other must not, or cannot, be shown.
    const isRefused = thrown instanceof GrecError && thrown.code !== 'NG_TIMEOUT';
    this.#call.release('switch', isRefused ? 488 : 503, `SRTP cannot be had: ${this.loss}`);
  }

  #isConverted(): boolean {
    const { context, legs } = this.#call;
    const [from, to] = this.#offer === undefined ? [legs.b, legs.a] : [legs.a, legs.b];
    return isConverted(context, from, from.offered, to);
  }

  /** The callee was offered the media server, which has gone since: it is offered the caller itself. */
  #redirectCallee(): void {
    const offer = this.#offer;
    if (offer === undefined) return;
    this.#enqueue(() => this.#offerAgain('b', offer));
  }

  async #offerAgain(to: Label, sdp: Buffer): Promise<void> {
    const leg = this.#call.legs[to];
    if (this.#call.state === 'released') return;
    if (leg.dialog === undefined) return void this.#offerLater.set(to, sdp);
    const { response, ack } = await leg.dialog.reinvite({
      headers: this.#call.headersTo(to),
      body: leg.tell(sdp),
    });
    if (response.status < 300) ack();
  }
}
