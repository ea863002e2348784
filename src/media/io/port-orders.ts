// What a port has been told to do with packets. Whatever changes it unsettles the streams that it concerns (settled-streams.ts).
import type { DtmfGate } from '../dtmf-gate.ts';
import type { Port } from './port.ts';
import type { Tone } from './tone.ts';

export type PacketType = 'rtp' | 'rtcp';

/**
 * Rewrites packets in place (SRTP): `inbound` of a port what has come from its party, before it is copied and sent on;
 * `outbound` of a port what is about to be sent to its party, after it was copied.
 */
export interface PacketRewrite {
  /**
   * @param bytes has room for 128 bytes after `end` when the packet is outbound
   * @returns where the packet ends now, or -1 when it must not go on
   */
  rewrite(bytes: Buffer, start: number, end: number, type: PacketType): number;
}

const NOBODY: readonly PortOrders[] = [];

export class PortOrders {
  readonly #unsettle: () => void;
  /** Of the ports whose peer this one is. */
  #feeders = NOBODY;
  #peer: Port | undefined;
  #gate: DtmfGate | undefined;
  #blocked: ReadonlySet<number> | undefined;
  #copied: ReadonlySet<number> | undefined;
  #tone: Tone | undefined;
  #isReplaced = false;
  #inbound: PacketRewrite | undefined;
  #outbound: PacketRewrite | undefined;

  /** @param unsettle lets the next packet that comes to the port go the long way */
  constructor(unsettle: () => void) {
    this.#unsettle = unsettle;
  }

  /** Whatever comes to the port, or leaves by it, goes the long way next. */
  unsettle(): void {
    this.#unsettle();
    for (const feeder of this.#feeders) feeder.#unsettle();
  }

  /** The same kind of port of the other party's leg. */
  get peer(): Port | undefined {
    return this.#peer;
  }

  set peer(peer: Port | undefined) {
    const before = this.#peer?.orders;
    if (before !== undefined) before.#feeders = before.#feeders.filter((one) => one !== this);
    this.#peer = peer;
    if (peer !== undefined) peer.orders.#feeders = [...peer.orders.#feeders, this];
    this.unsettle();
  }

  /** Of an RTP port: what takes out feature codes. It is set again when its payload types have changed. */
  get gate(): DtmfGate | undefined {
    return this.#gate;
  }

  set gate(gate: DtmfGate | undefined) {
    this.#gate = gate;
    this.unsettle();
  }

  /** Of an RTP port: payload types that end here. */
  get blocked(): ReadonlySet<number> | undefined {
    return this.#blocked;
  }

  set blocked(blocked: ReadonlySet<number> | undefined) {
    this.#blocked = blocked;
    this.unsettle();
  }

  /** Of an RTP port: the only payload types that are copied. */
  get copied(): ReadonlySet<number> | undefined {
    return this.#copied;
  }

  set copied(copied: ReadonlySet<number> | undefined) {
    this.#copied = copied;
    this.unsettle();
  }

  /** Of an RTP port: what is added to what the party hears. */
  get tone(): Tone | undefined {
    return this.#tone;
  }

  set tone(tone: Tone | undefined) {
    this.#tone = tone;
    this.unsettle();
  }

  /** Of an RTP port: the party hears something else than its peer. */
  get isReplaced(): boolean {
    return this.#isReplaced;
  }

  set isReplaced(isReplaced: boolean) {
    this.#isReplaced = isReplaced;
    this.unsettle();
  }

  get inbound(): PacketRewrite | undefined {
    return this.#inbound;
  }

  get outbound(): PacketRewrite | undefined {
    return this.#outbound;
  }

  rewrite(inbound: PacketRewrite | undefined, outbound: PacketRewrite | undefined): void {
    this.#inbound = inbound;
    this.#outbound = outbound;
    this.unsettle();
  }

  /**
   * Whether a packet of the party that went the long way did nothing there but be copied and sent on unchanged, as every one of its payload
   * type does.
   */
  isPlainFor(payloadType: number): boolean {
    const outbound = this.#peer?.orders.outbound;
    const isEvent = this.#gate?.payloadTypes.has(payloadType) === true;
    return (
      this.#inbound === undefined &&
      outbound === undefined &&
      !isEvent &&
      this.#copied?.has(payloadType) !== false
    );
  }
}
