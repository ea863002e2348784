// One UDP port of a leg: hears its party alone, copies to the tap, sends on through the other leg's port. The same for every
// engine. Nothing here is allocated for a packet of a source that is heard.
import { classifyPacket, rtpPayloadType, rtpSsrc } from '../../rtp/header.ts';
import { type Endpoint, type FlowHeader, flowHeader } from '../../spool/pcap.ts';
import type { DtmfGate } from '../dtmf-gate.ts';
import type { EngineCounters, PortCounters, TapChannel } from './engine.ts';
import { HeldPackets } from './held-packets.ts';
import { type Expected, Latch } from './latch.ts';
import { type PacketRewrite, type PacketType, PortOrders } from './port-orders.ts';
import type { SettledStream, Way } from './settled-streams.ts';
import type { ChunkTap } from './tap.ts';
import { mixed, type Tone, UNTOUCHED } from './tone.ts';
import type { DatagramReceiver, DatagramSocket, PacketClock } from './udp-io.ts';

/** What a rewritten packet may be longer by. */
const REWRITE_ROOM_BYTES = 128;
const scratch = Buffer.alloc(65536 + REWRITE_ROOM_BYTES);

/** With the marker these would be RTCP (RFC 5761 section 4). */
const FIRST_AMBIGUOUS = 64;
const LAST_AMBIGUOUS = 95;

export class Port implements DatagramReceiver {
  readonly #received: PortCounters = { packets: 0, bytes: 0, errors: 0, lastAt: 0 };
  strangers = 0;
  readonly latch: Latch;
  /** The RTCP port of the same leg, for an RTP port: RTCP that comes here all the same (RFC 5761) belongs there. */
  sibling: Port | undefined;
  readonly orders: PortOrders = new PortOrders(() => this.#socket?.stream?.unsettle());
  readonly #type: PacketType;
  readonly #counters: EngineCounters;
  readonly #clock: PacketClock;
  #socket: DatagramSocket | undefined;
  #local: Endpoint = { address: '', port: 0 };
  #tap: ChunkTap | undefined;
  #channel: TapChannel = 0;
  #flow: FlowHeader | undefined;
  readonly #held = new HeldPackets();
  #destination: Endpoint | undefined;

  constructor(type: PacketType, clock: PacketClock, counters: EngineCounters) {
    this.#type = type;
    this.#clock = clock;
    this.#counters = counters;
    this.latch = new Latch(type);
  }

  /** Its socket, once it is bound. */
  attach(socket: DatagramSocket, local: Endpoint): void {
    this.#socket = socket;
    this.#local = local;
  }

  /** What arrived here from the party. */
  get received(): PortCounters {
    this.#socket?.stream?.countInto(this.#received);
    return this.#received;
  }

  expect(expected: Expected): void {
    this.latch.expect(expected);
    this.#follow();
    for (const { bytes, seconds, micros, address, port } of this.#held.takeAll())
      this.#judge(bytes, 0, bytes.length, seconds, micros, address, port);
  }

  copyTo(tap: ChunkTap | undefined, channel: TapChannel): void {
    this.#tap = tap;
    this.#channel = channel;
    this.orders.unsettle();
  }

  get destination(): Endpoint | undefined {
    return this.#destination;
  }

  async close(): Promise<void> {
    this.#held.takeAll();
    this.orders.unsettle();
    this.#socket?.stream?.countInto(this.#received);
    const socket = this.#socket;
    this.#socket = undefined;
    await socket?.close();
  }

  receive(bytes: Buffer, start: number, end: number, address: string, port: number): void {
    if (this.#socket === undefined) return;
    const { seconds, micros } = this.#clock;
    const type = classifyPacket(bytes, start, end);
    if (type === this.#type) this.#judge(bytes, start, end, seconds, micros, address, port);
    else if (type === 'rtcp') this.#receiveMuxed(bytes, start, end, address, port);
    else this.#counters.dropped[type === 'rtp' ? 'not-rtp' : type] += 1;
  }

  receiveOversized(): void {
    this.#counters.dropped.truncated += 1;
  }

  onUnreachable(): void {
    this.#received.errors += 1;
  }

  onSendFailed(): void {
    this.#received.errors += 1;
    this.#counters.relayed -= 1;
    this.#counters.dropped['send-failed'] += 1;
  }

  #receiveMuxed(bytes: Buffer, start: number, end: number, address: string, port: number): void {
    const { seconds, micros } = this.#clock;
    if (port === this.latch.port && address === this.latch.address)
      this.#deliver(bytes, start, end, seconds, micros, 'rtcp');
    else this.#refuse(1);
  }

  #judge(
    bytes: Buffer,
    start: number,
    end: number,
    seconds: number,
    micros: number,
    address: string,
    port: number,
  ): void {
    const verdict = this.latch.judge(address, port, bytes, start);
    if (verdict === 'heard') this.#deliver(bytes, start, end, seconds, micros, this.#type);
    else if (verdict === 'latched') {
      this.#follow();
      if (this.#type === 'rtp') this.sibling?.trust(address, rtpSsrc(bytes.subarray(start, end)));
      this.#releaseHeld();
      this.#deliver(bytes, start, end, seconds, micros, this.#type);
    } else if (verdict === 'held')
      this.#refuse(this.#held.hold(bytes, start, end, seconds, micros, address, port));
    else this.#refuse(1);
  }

  /** What the source sent before it was known to be the party's is the party's too; the rest never was. */
  #releaseHeld(): void {
    for (const { bytes, seconds, micros, address, port } of this.#held.takeAll()) {
      if (port === this.latch.port && address === this.latch.address)
        this.#deliver(bytes, 0, bytes.length, seconds, micros, this.#type);
      else this.#refuse(1);
    }
  }

  #refuse(packets: number): void {
    this.strangers += packets;
    this.#counters.dropped.stranger += packets;
  }

  #deliver(
    bytes: Buffer,
    start: number,
    arrivedEnd: number,
    seconds: number,
    micros: number,
    type: PacketType,
  ): void {
    let end = arrivedEnd;
    const { inbound, gate } = this.orders;
    if (inbound !== undefined) {
      end = inbound.rewrite(bytes, start, end, type);
      if (end < 0) {
        this.#counters.dropped['not-authentic'] += 1;
        return;
      }
    }
    const counted = type === this.#type ? this.#received : (this.sibling ?? this).#received;
    counted.packets += 1;
    counted.bytes += end - start;
    counted.lastAt = seconds * 1e6 + micros;
    if (gate !== undefined && type === 'rtp' && gate.payloadTypes.has(rtpPayloadType(bytes, start)))
      this.#showGate(gate, Buffer.from(bytes.subarray(start, end)), seconds, micros);
    else this.#pass(bytes, start, end, seconds, micros, type);
  }

  /** Kept apart so that the closure is made for telephone events alone. */
  #showGate(gate: DtmfGate, packet: Buffer, seconds: number, micros: number): void {
    gate.take(packet, () => this.#pass(packet, 0, packet.length, seconds, micros, 'rtp'));
  }

  #pass(bytes: Buffer, start: number, end: number, seconds: number, micros: number, type: PacketType): void {
    const { blocked, peer: own } = this.orders;
    if (blocked !== undefined && type === 'rtp' && blocked.has(rtpPayloadType(bytes, start))) {
      this.#counters.dropped.blocked += 1;
      return;
    }
    const peer = type === this.#type ? own : own?.sibling;
    const tone = peer?.orders.tone;
    const isReplaced = type === 'rtp' && peer?.orders.isReplaced === true;
    if (peer !== undefined && tone !== undefined && type === 'rtp' && !isReplaced) {
      this.#passWith(tone, peer, bytes, start, end, seconds, micros);
      return;
    }
    this.#copy(bytes, start, end, seconds, micros, type);
    if (peer === undefined) this.#counters.dropped['no-destination'] += 1;
    else if (isReplaced) this.#counters.dropped.replaced += 1;
    else {
      peer.#send(bytes, start, end, type);
      if (this.#type === 'rtp' && type === 'rtp') this.#settle(peer, bytes, start, end);
    }
  }

  /** Packets like this one, which has gone all the way, need not go it again. Allocates nothing but when the stream settles. */
  #settle(peer: Port, bytes: Buffer, start: number, end: number): void {
    const stream = this.#socket?.stream;
    const flow = this.#flow;
    if (stream === undefined || flow === undefined) return;
    stream.countInto(this.#received);
    const payloadType = rtpPayloadType(bytes, start);
    const isAmbiguous = payloadType >= FIRST_AMBIGUOUS && payloadType <= LAST_AMBIGUOUS;
    if (isAmbiguous || !this.orders.isPlainFor(payloadType)) return;
    const length = end - start;
    if (this.#tap !== undefined && flow.recordedLength !== length) return;
    if (stream.isSettled) stream.adjust(payloadType, length, flow);
    else if (this.latch.isSettled && peer.#destination !== undefined)
      this.#settleAnew(stream, peer.#socket?.way, payloadType, length);
  }

  #settleAnew(stream: SettledStream, to: Way | undefined, payloadType: number, length: number): void {
    if (to === undefined) return;
    const { source } = this.latch;
    const tap = this.#tap;
    const flow = this.#flow;
    const copy = tap && flow && { flow, tap: tap.place, channel: this.#channel };
    if (source !== undefined)
      stream.settle({ source, payloadType, length, counters: this.#counters, copy, to });
  }

  #copy(bytes: Buffer, start: number, end: number, seconds: number, micros: number, type: PacketType): void {
    if (this.#tap === undefined || this.#flow === undefined) return;
    if (type === 'rtp' && this.orders.copied?.has(rtpPayloadType(bytes, start)) === false)
      this.#tap.leaveOut(this.#channel);
    else this.#tap.copy(this.#channel, seconds, micros, this.#flow, bytes, start, end);
  }

  #passWith(
    tone: Tone,
    peer: Port,
    bytes: Buffer,
    start: number,
    end: number,
    seconds: number,
    micros: number,
  ): void {
    const length = tone.mix(bytes, start, end);
    if (length > 0 && tone.isRecorded) this.#copy(mixed, 0, length, seconds, micros, 'rtp');
    else this.#copy(bytes, start, end, seconds, micros, 'rtp');
    if (length > 0) peer.#send(mixed, 0, length, 'rtp');
    else if (length === UNTOUCHED) peer.#send(bytes, start, end, 'rtp');
    else this.#counters.dropped.replaced += 1;
  }

  #send(bytes: Buffer, start: number, end: number, type: PacketType): void {
    if (this.#destination === undefined || this.#socket === undefined) {
      this.#counters.dropped['no-destination'] += 1;
      return;
    }
    this.#counters.relayed += 1;
    if (!this.#emit(this.#socket, bytes, start, end, type)) this.onSendFailed();
  }

  /** Sends the party a packet of our own, with the tone that there may be. */
  put(packet: Buffer): void {
    const length = this.orders.tone?.mix(packet, 0, packet.length) ?? UNTOUCHED;
    if (length > 0) this.#putOwn(mixed, length);
    else this.#putOwn(packet, packet.length);
  }

  /** Sends the party a packet of a tone, which may be for the copies too, as if its peer had sent it. */
  putTone(packet: Buffer): void {
    this.#putOwn(packet, packet.length);
    if (this.orders.tone?.isRecorded !== true) return;
    const { peer } = this.orders;
    if (peer !== undefined) peer.#copyNow(packet);
  }

  #copyNow(packet: Buffer): void {
    this.#clock.tick();
    this.#copy(packet, 0, packet.length, this.#clock.seconds, this.#clock.micros, 'rtp');
  }

  #putOwn(packet: Buffer, length: number): void {
    if (this.#destination === undefined || this.#socket === undefined) return;
    if (this.#emit(this.#socket, packet, 0, length, 'rtp')) this.#counters.played += 1;
    else this.#received.errors += 1;
  }

  #emit(socket: DatagramSocket, bytes: Buffer, start: number, end: number, type: PacketType): boolean {
    const { outbound } = this.orders;
    if (outbound === undefined) return socket.send(bytes, start, end);
    return this.#sendRewritten(outbound, bytes, start, end, type);
  }

  #sendRewritten(
    outbound: PacketRewrite,
    bytes: Buffer,
    start: number,
    end: number,
    type: PacketType,
  ): boolean {
    bytes.copy(scratch, 0, start, end);
    const rewritten = outbound.rewrite(scratch, 0, end - start, type);
    return rewritten >= 0 && this.#socket?.send(scratch, 0, rewritten) === true;
  }

  /**
   * Brings socket and headers in line with the latch. Connected, the socket hears its peer alone (which closes RTP bleed in the
   * kernel) and sends without a look-up; while a better source may still come it stays open, and the latch keeps strangers out.
   */
  #follow(): void {
    const { source, destination, isFinal } = this.latch;
    this.orders.unsettle();
    this.#flow = source === undefined ? undefined : flowHeader(source, this.#local);
    this.#destination = destination;
    this.#socket?.aim(destination, isFinal);
  }

  /** Where the party's RTP comes from its RTCP may come from, of the same SSRC. */
  trust(address: string, ssrc: number): void {
    this.latch.trust(address, ssrc);
  }
}
