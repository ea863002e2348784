// A leg in this process: the port for RTP and the one for RTCP (RFC 3550 section 11).
import type { Endpoint } from '../../spool/pcap.ts';
import { DtmfGate } from '../dtmf-gate.ts';
import type { Leg, LegProtection, LegState, PortCounters, Remote, Tap, TapChannel } from './engine.ts';
import { OwnStream } from './own-stream.ts';
import type { Pacer } from './pacer.ts';
import { type Playback, Player } from './player.ts';
import type { Port } from './port.ts';
import { LegSrtp } from './protection.ts';
import { ChunkTap } from './tap.ts';
import { Tone, type TonePlayback } from './tone.ts';

export class LocalLeg implements Leg {
  readonly address: string;
  readonly rtpPort: number;
  readonly rtcpPort: number;
  readonly #rtp: Port;
  readonly #rtcp: Port;
  readonly #pacer: Pacer;
  readonly #onClose: () => void;
  #srtp: LegSrtp | undefined;
  /** What is sent to the party of our own; there is none before the first sound. */
  #own: OwnStream | undefined;
  #player: Player | undefined;

  constructor(address: string, rtpPort: number, rtp: Port, rtcp: Port, pacer: Pacer, onClose: () => void) {
    this.address = address;
    this.rtpPort = rtpPort;
    this.rtcpPort = rtpPort + 1;
    this.#rtp = rtp;
    this.#rtcp = rtcp;
    rtp.sibling = rtcp;
    this.#pacer = pacer;
    this.#onClose = onClose;
  }

  get rtp(): PortCounters {
    return this.#rtp.received;
  }

  get rtcp(): PortCounters {
    return this.#rtcp.received;
  }

  get strangers(): number {
    return this.#rtp.strangers + this.#rtcp.strangers;
  }

  get rtpSource(): Endpoint | undefined {
    return this.#rtp.latch.source;
  }

  get rtcpSource(): Endpoint | undefined {
    return this.#rtcp.latch.source;
  }

  get rtpDestination(): Endpoint | undefined {
    return this.#rtp.destination;
  }

  get rtcpDestination(): Endpoint | undefined {
    return this.#rtcp.destination;
  }

  /** As it is now, for another process. */
  get state(): LegState {
    const { rtp, rtcp, strangers, rtpSource, rtcpSource, rtpDestination, rtcpDestination } = this;
    return { rtp, rtcp, strangers, rtpSource, rtcpSource, rtpDestination, rtcpDestination };
  }

  async refresh(): Promise<void> {}

  expect({ address, rtpPort, rtcpPort, alsoFrom }: Remote): void {
    this.#rtcp.expect({ address, port: rtcpPort, alsoFrom });
    this.#rtp.expect({ address, port: rtpPort, alsoFrom });
  }

  protect(protection: LegProtection | undefined): void {
    if (protection === undefined) {
      this.#srtp?.close();
      this.#srtp = undefined;
    } else {
      this.#srtp ??= new LegSrtp();
      this.#srtp.apply(protection);
    }
    for (const port of [this.#rtp, this.#rtcp]) {
      port.orders.rewrite(this.#srtp?.inbound, this.#srtp?.outbound);
    }
  }

  relayTo(peer: Leg | undefined): void {
    const isOurs = peer instanceof LocalLeg;
    this.#rtp.orders.peer = isOurs ? peer.#rtp : undefined;
    this.#rtcp.orders.peer = isOurs ? peer.#rtcp : undefined;
  }

  copyTo(tap: Tap | undefined, channel: TapChannel): void {
    const own = tap instanceof ChunkTap ? tap : undefined;
    this.#rtp.copyTo(own, channel);
    this.#rtcp.copyTo(own, channel);
  }

  copyOnly(payloadTypes: readonly number[] | undefined): void {
    this.#rtp.orders.copied = payloadTypes === undefined ? undefined : new Set(payloadTypes);
  }

  watchCodes(
    codes: readonly string[],
    payloadTypes: readonly number[],
    onCode: (code: string) => void,
  ): void {
    const gate = this.#rtp.orders.gate ?? new DtmfGate(codes, onCode);
    gate.payloadTypes = new Set(payloadTypes);
    this.#rtp.orders.gate = gate;
  }

  blockEvents(payloadTypes: readonly number[] | undefined): void {
    this.#rtp.orders.blocked = payloadTypes === undefined ? undefined : new Set(payloadTypes);
  }

  play(playback: Playback | undefined): void {
    if (this.#player !== undefined) this.#pacer.remove(this.#player);
    this.#rtp.orders.isReplaced = playback !== undefined;
    this.#player = playback && this.#newPlayer(playback);
    if (this.#player !== undefined) this.#pacer.add(this.#player);
  }

  #newPlayer(playback: Playback): Player {
    this.#own ??= new OwnStream();
    const put = (packet: Buffer) => this.#rtp.put(packet);
    return new Player(playback, this.#own, put, () => this.play(undefined));
  }

  sound(tone: TonePlayback | undefined): void {
    if (this.#rtp.orders.tone !== undefined) this.#pacer.remove(this.#rtp.orders.tone);
    this.#rtp.orders.tone = tone && this.#newTone(tone);
    if (this.#rtp.orders.tone !== undefined) this.#pacer.add(this.#rtp.orders.tone);
  }

  #newTone(tone: TonePlayback): Tone {
    this.#own ??= new OwnStream();
    const put = (packet: Buffer) => this.#rtp.putTone(packet);
    return new Tone(tone, this.#own, put, () => this.sound(undefined));
  }

  async close(): Promise<void> {
    this.#rtp.orders.gate?.end();
    this.#rtp.orders.gate = undefined;
    this.play(undefined);
    this.sound(undefined);
    this.relayTo(undefined);
    this.copyTo(undefined, 0);
    this.protect(undefined);
    this.#onClose();
    await Promise.all([this.#rtp.close(), this.#rtcp.close()]);
  }
}
