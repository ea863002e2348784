// Which payload types of a party's RTP are copied when keys are kept out of recordings: everything that is known not to carry them.
//
// DTMF travels as telephone events or tones (RFC 4733), or as redundant copies of those (RFC 2198). What no description names
// could be any of them, and nobody could decode it. A payload type means the same for as long as a session lasts (RFC 3264
// section 8.3.2), so what was once an event stays one: packets of the description before may still be under way.
import type { Format } from './segment.ts';

const EVENTS = new Set(['TELEPHONE-EVENT', 'TONE']);
/** Payload types with an encoding of their own, which needs no description (RFC 3551 table 4). */
const STATIC_TYPES = 35;

export class CopiedTypes {
  readonly #audio = new Set(Array.from({ length: STATIC_TYPES }, (_, payloadType) => payloadType));
  readonly #events = new Set<number>();

  /** Takes in what a description binds. */
  note(formats: readonly Format[]): void {
    const events = formats.filter(({ encoding }) => EVENTS.has(encoding));
    for (const { payloadType } of events) this.#events.add(payloadType);
    for (const format of formats) {
      if (carriesEvents(format, this.#events)) this.#events.add(format.payloadType);
      else this.#audio.add(format.payloadType);
    }
  }

  get payloadTypes(): number[] {
    return [...this.#audio].filter((payloadType) => !this.#events.has(payloadType));
  }
}

function carriesEvents({ encoding, fmtp = '' }: Format, events: ReadonlySet<number>): boolean {
  if (EVENTS.has(encoding)) return true;
  // `a=fmtp:121 0/101/5`: what it may hold, the first of which is the usual one (RFC 2198 section 5).
  return encoding === 'RED' && fmtp.split('/').some((inside) => events.has(Number(inside)));
}
