// What a capture tells besides the voice: keys that were pressed (RFC 4733), and which codec a party spoke when. Pure.
import type { PayloadKind } from './stream-map.ts';

/** Event codes of RFC 4733 section 3.2. */
const KEYS = '0123456789*#ABCD';
/** No conversation has so many; a hostile party might. */
const MOST_KEYS = 2000;
const MOST_CHANGES = 200;

/** A key that was pressed. */
export interface PressedKey {
  /** The lane, see window.ts. */
  lane: number;
  /** Microseconds since 1970. */
  at: number;
  key: string;
}

/** From then on a party spoke another codec. */
export interface CodecChange {
  lane: number;
  at: number;
  codec: string;
}

interface HeardPacket {
  channel: number;
  at: number;
  ssrc: number;
  timestamp: number;
  kind: PayloadKind;
  payload: Uint8Array;
}

export class HeardWords {
  readonly keys: PressedKey[] = [];
  readonly codecs: CodecChange[] = [];
  /** By lane: the event and the codec of last. */
  readonly #events = new Map<number, string>();
  readonly #codecs = new Map<number, string>();

  /** Takes a packet of a party, in the order of arrival. */
  add(packet: HeardPacket): void {
    const { kind, channel: lane, at } = packet;
    if (kind.kind === 'silence') {
      if (kind.encoding === 'TELEPHONE-EVENT') this.#press(packet);
      return;
    }
    if (this.#codecs.get(lane) === kind.encoding || this.codecs.length >= MOST_CHANGES) return;
    this.#codecs.set(lane, kind.encoding);
    this.codecs.push({ lane, at, codec: kind.encoding });
  }

  /** All packets of one event have its time stamp (RFC 4733 section 2.2). */
  #press({ channel: lane, at, ssrc, timestamp, payload }: HeardPacket): void {
    const key = KEYS[payload[0] ?? KEYS.length];
    const event = `${ssrc} ${timestamp}`;
    if (key === undefined || this.#events.get(lane) === event || this.keys.length >= MOST_KEYS) return;
    this.#events.set(lane, event);
    this.keys.push({ lane, at, key });
  }
}
