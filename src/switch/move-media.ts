// Moving an answered call's media: from direct to the media server, back, or to another one, by re-INVITE of both parties
// (RFC 3261 section 14, RFC 3725 in spirit; the ladder stands in grec(7)).
//
// The new place relays both ways before either party hears of it, so that whoever moves first goes on speaking and
// hearing. A party that does not want to move costs the move, never the call: what was agreed before stays, or comes back.
import { GrecError, messageOf } from '../errors.ts';
import type { SipResponse } from '../sip/message.ts';
import type { Call } from './call.ts';
import type { CallMedia } from './call-media.ts';
import type { Leg } from './leg.ts';
import { isRicher, isSameMedia } from './media-compare.ts';
import { sdpOf } from './sdp-body.ts';
import { mustStayAnchored } from './srtp-policy.ts';

/** A party that has not answered a re-INVITE after this, though it says that it works on it, is asked no more. */
const GIVE_UP_MS = 8000;
/** Attempts when the parties' own re-INVITEs cross ours. */
const MOST_ATTEMPTS = 5;

/** Why a party has not moved; glare is worth another try. */
class NotMoved extends Error {
  readonly isGlare: boolean;

  constructor(message: string, isGlare = false) {
    super(message);
    this.isGlare = isGlare;
  }
}

/**
 * Moves the media of an answered call. When it returns, both parties have agreed and the old place is released.
 * @param to where, asked when it is the move's turn: parties and places may have changed until then; undefined: nowhere
 * @throws GrecError MEDIA_NOT_MOVED; the call's media runs where it ran
 */
export async function moveMedia(call: Call, to: () => CallMedia | undefined): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call.exchange.run(async () => {
        const place = to();
        if (place !== undefined) await new Move(call, place).run();
      });
    } catch (thrown) {
      const isGlare = thrown instanceof NotMoved && thrown.isGlare;
      if (!isGlare || attempt === MOST_ATTEMPTS) throw notMoved(thrown);
      // Meanwhile the parties' own re-INVITE gets through.
      await call.context.glareDelay();
    }
  }
}

function notMoved(thrown: unknown): GrecError {
  if (thrown instanceof GrecError) return thrown;
  return new GrecError('MEDIA_NOT_MOVED', messageOf(thrown), { cause: thrown });
}

class Move {
  readonly #call: Call;
  readonly #to: CallMedia;
  readonly #from: CallMedia;
  /** Its description is what the other is offered first. */
  readonly #first: Leg;
  readonly #second: Leg;

  constructor(call: Call, to: CallMedia) {
    this.#call = call;
    this.#to = to;
    this.#from = call.media;
    const { a, b } = call.legs;
    [this.#first, this.#second] = isRicher(b.described, a.described) ? [b, a] : [a, b];
  }

  async run(): Promise<void> {
    const call = this.#call;
    if (call.state !== 'answered') throw new NotMoved('the call is over');
    if (!this.#to.anchored && mustStayAnchored(call.context, call.legs))
      throw new NotMoved('its parties speak SRTP differently, and only a media server stands between');
    const forFirst = await this.#moveSecond();
    call.media = this.#to;
    try {
      await this.#moveFirst(forFirst);
    } catch (thrown) {
      await this.#comeBack();
      throw thrown;
    }
    // What it holds is of no use any more; a server that has died would hold up everything.
    void this.#free(this.#from);
  }

  async #free(media: CallMedia): Promise<void> {
    await media.release().catch((thrown: unknown) => {
      this.#call.log.warn(`the media server did not release the call: ${messageOf(thrown)}`);
    });
  }

  /** @returns the second party's description, as the first is to get it */
  async #moveSecond(): Promise<Buffer> {
    const first = described(this.#first);
    const before = described(this.#second);
    let hasMoved = false;
    try {
      const offer = await this.#to.offer(this.#first.label, first);
      await this.#to.answer(this.#second.label, before);
      const answer = await this.#reoffer(this.#second, offer);
      hasMoved = true;
      const forFirst = await this.#to.answer(this.#second.label, answer);
      this.#second.described = answer;
      return forFirst;
    } catch (thrown) {
      if (hasMoved) await this.#comeBack();
      else await this.#free(this.#to);
      throw thrown;
    }
  }

  async #moveFirst(offer: Buffer): Promise<void> {
    const before = described(this.#first);
    const answer = await this.#reoffer(this.#first, offer);
    this.#first.described = answer;
    if (isSameMedia(before, answer)) return;
    // It receives elsewhere, or something else, than it said before: the other one is told.
    const again = await this.#to.offer(this.#first.label, answer);
    const late = this.#to.anchored ? described(this.#second) : await this.#reoffer(this.#second, again);
    await this.#to.answer(this.#second.label, late);
    this.#second.described = late;
  }

  /** The first party stays where it is: the second one comes back, if it will. */
  async #comeBack(): Promise<void> {
    const call = this.#call;
    call.media = this.#from;
    try {
      const offer = await this.#from.offer(this.#first.label, described(this.#first));
      const answer = await this.#reoffer(this.#second, offer);
      await this.#from.answer(this.#second.label, answer);
      this.#second.described = answer;
      await this.#free(this.#to);
    } catch (thrown) {
      // The end of the call has released only one of the two places.
      if (call.state === 'released')
        return void (await Promise.all([this.#free(this.#to), this.#free(this.#from)]));
      call.log.error(
        `one party has moved, the other has not, and the first did not come back: ${messageOf(thrown)}`,
      );
      // Both places hold a part of the call: neither is released before its end.
      call.leftBehind.push(this.#to);
    }
  }

  /** @returns what the party answers. Throws NotMoved */
  async #reoffer(leg: Leg, sdp: Buffer): Promise<Buffer> {
    const { dialog } = leg;
    if (dialog === undefined || this.#call.state !== 'answered') throw new NotMoved('the call is over');
    const { response, ack } = await dialog.reinvite({
      headers: this.#call.headersTo(leg.label),
      body: leg.tell(sdp),
      patience: { giveUpAfterMs: GIVE_UP_MS },
    });
    if (response.status >= 300) throw refusal(leg, response);
    ack();
    const answer = sdpOf(response);
    if (answer === undefined) throw new NotMoved(`${nameOf(leg)} accepted the re-INVITE without an answer`);
    return answer;
  }
}

function described(leg: Leg): Buffer {
  if (leg.described === undefined) throw new NotMoved(`${nameOf(leg)} has never described its media`);
  return leg.described;
}

function refusal(leg: Leg, { status, reason }: SipResponse): NotMoved {
  // A 487 says that we have cancelled it.
  const isSilent = status === 408 || status === 487;
  const what = isSilent ? 'did not answer the re-INVITE' : `refused the re-INVITE: ${status} ${reason}`;
  return new NotMoved(`${nameOf(leg)} ${what}`, status === 491);
}

function nameOf({ label, party }: Leg): string {
  return `the ${label === 'a' ? 'caller' : 'callee'} (${party.number})`;
}
