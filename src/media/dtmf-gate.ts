// Feature codes that an agent dials as telephone events (RFC 4733): taken out of the media, everything else goes on in its order.
//
// An event is many packets with one timestamp. Those of a digit that may begin a code are held back; when no code comes of it they
// follow at once, and whoever receives them hears the digit a little later.
import { FeatureCodes } from '../feature-codes.ts';
import { rtpTimestamp } from '../rtp/header.ts';
import { dtmfDigit } from '../rtp/telephone-event.ts';

/** Events that are remembered: the packets of the last ones may still come. */
const MOST_EVENTS = 16;
/** Packets of one event that are held: four seconds of a digit. Later ones are dropped with it. */
const MOST_HELD = 200;

interface HeldEvent {
  state: 'held' | 'passed' | 'taken';
  waiting: (() => void)[];
}

export class DtmfGate {
  readonly #codes: FeatureCodes<string>;
  readonly #events = new Map<number, HeldEvent>();
  /** Those of telephone events: packets with them are for {@link take}. */
  payloadTypes: ReadonlySet<number> = new Set();

  /** @param onCode a code was dialled, and nothing of it has passed */
  constructor(codes: readonly string[], onCode: (code: string) => void) {
    this.#codes = new FeatureCodes(new Map(codes.map((code) => [code, code])), (code) => {
      for (const event of this.#events.values()) if (event.state === 'held') settle(event, 'taken');
      onCode(code);
    });
  }

  /** Keeps the packet from going on; `pass` lets it go, now or later, if ever. */
  take(packet: Uint8Array, pass: () => void): void {
    const digit = dtmfDigit(packet);
    if (digit === undefined) return pass();
    const timestamp = rtpTimestamp(packet);
    const known = this.#events.get(timestamp);
    const event = known ?? this.#begin(timestamp);
    if (event.state === 'passed') return pass();
    if (event.state === 'held' && event.waiting.length < MOST_HELD) event.waiting.push(pass);
    if (known === undefined) this.#codes.dial(digit, () => settle(event, 'passed'));
  }

  #begin(timestamp: number): HeldEvent {
    const [oldest] = this.#events.keys();
    if (this.#events.size >= MOST_EVENTS && oldest !== undefined) this.#events.delete(oldest);
    const event: HeldEvent = { state: 'held', waiting: [] };
    this.#events.set(timestamp, event);
    return event;
  }

  /** Lets go what is held. */
  end(): void {
    this.#codes.flush();
  }
}

function settle(event: HeldEvent, state: 'passed' | 'taken'): void {
  event.state = state;
  const waiting = event.waiting.splice(0);
  if (state === 'passed') for (const pass of waiting) pass();
}
