// One UDP port of a leg over node:dgram: hears its party alone, copies to the tap, sends on through the other leg's port.
import type { RemoteInfo, Socket } from 'node:dgram';
import { classifyPacket } from '../../rtp/header.ts';
import { microsNow } from '../../spool/clock.ts';
import { type Endpoint, type FlowHeader, flowHeader } from '../../spool/pcap.ts';
import type { EngineCounters, EventFilter, PortCounters, TapChannel } from './engine.ts';
import { type Expected, Latch } from './latch.ts';
import type { ChunkTap } from './tap.ts';

/** Packets kept while it is not known whose they are: over a second of one source. */
const MOST_HELD = 64;
/** No voice packet is larger; larger ones are not kept, so that strangers cannot fill the memory. */
const LARGEST_HELD_BYTES = 2048;

interface HeldPacket extends Endpoint {
  bytes: Buffer;
  at: number;
}

export class DgramPort {
  readonly received: PortCounters = { packets: 0, bytes: 0, errors: 0, lastAt: 0 };
  strangers = 0;
  readonly latch: Latch;
  /** The same kind of port of the other party's leg. */
  peer: DgramPort | undefined;
  /** The RTCP port of the same leg, for an RTP port: RTCP that comes here all the same (RFC 5761) belongs there. */
  sibling: DgramPort | undefined;
  /** Of an RTP port. */
  filter: EventFilter | undefined;
  readonly #kind: 'rtp' | 'rtcp';
  readonly #socket: Socket;
  readonly #local: Endpoint;
  readonly #counters: EngineCounters;
  #tap: ChunkTap | undefined;
  #channel: TapChannel = 0;
  #flow: FlowHeader | undefined;
  #held: HeldPacket[] = [];
  #destination: Endpoint | undefined;
  #isConnected = false;
  #isClosed = false;

  constructor(kind: 'rtp' | 'rtcp', socket: Socket, local: Endpoint, counters: EngineCounters) {
    this.#kind = kind;
    this.#socket = socket;
    this.#local = local;
    this.#counters = counters;
    this.latch = new Latch(kind);
    socket.on('message', (bytes, from) => this.#receive(bytes, from));
    // ICMP: nobody listens there (any more, or yet).
    socket.on('error', () => {
      this.received.errors += 1;
    });
  }

  expect(expected: Expected): void {
    this.latch.expect(expected);
    this.#follow();
    const held = this.#held;
    this.#held = [];
    for (const { bytes, at, address, port } of held) this.#judge(bytes, at, address, port);
  }

  copyTo(tap: ChunkTap | undefined, channel: TapChannel): void {
    this.#tap = tap;
    this.#channel = channel;
  }

  get destination(): Endpoint | undefined {
    return this.#destination;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#held = [];
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    const kind = classifyPacket(bytes);
    if (kind === this.#kind) this.#judge(bytes, microsNow(), from.address, from.port);
    else if (kind === 'rtcp') this.#receiveMuxed(bytes, from);
    else this.#counters.dropped[kind === 'rtp' ? 'not-rtp' : kind] += 1;
  }

  #receiveMuxed(bytes: Buffer, from: RemoteInfo): void {
    if (from.port === this.latch.port && from.address === this.latch.address)
      this.#deliver(bytes, microsNow(), 'rtcp');
    else this.#refuse(1);
  }

  #judge(bytes: Buffer, at: number, address: string, port: number): void {
    const verdict = this.latch.judge(address, port, bytes);
    if (verdict === 'heard') this.#deliver(bytes, at, this.#kind);
    else if (verdict === 'latched') {
      this.#follow();
      this.#releaseHeld();
      this.#deliver(bytes, at, this.#kind);
    } else if (verdict === 'held') this.#hold({ bytes, at, address, port });
    else this.#refuse(1);
  }

  #hold(packet: HeldPacket): void {
    if (packet.bytes.length > LARGEST_HELD_BYTES) return this.#refuse(1);
    if (this.#held.length >= MOST_HELD) {
      this.#held.shift();
      this.#refuse(1);
    }
    this.#held.push(packet);
  }

  /** What the source sent before it was known to be the party's is the party's too; the rest never was. */
  #releaseHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const { bytes, at, address, port } of held) {
      if (port === this.latch.port && address === this.latch.address) this.#deliver(bytes, at, this.#kind);
      else this.#refuse(1);
    }
  }

  #refuse(packets: number): void {
    this.strangers += packets;
    this.#counters.dropped.stranger += packets;
  }

  #deliver(bytes: Buffer, at: number, kind: 'rtp' | 'rtcp'): void {
    const counted = kind === this.#kind ? this.received : (this.sibling ?? this).received;
    counted.packets += 1;
    counted.bytes += bytes.length;
    counted.lastAt = at;
    const { filter } = this;
    if (filter !== undefined && kind === 'rtp' && filter.isEvent(bytes))
      filter.take(bytes, () => this.#pass(bytes, at, kind));
    else this.#pass(bytes, at, kind);
  }

  #pass(bytes: Buffer, at: number, kind: 'rtp' | 'rtcp'): void {
    if (this.#tap !== undefined && this.#flow !== undefined)
      this.#tap.copy(this.#channel, at, this.#flow, bytes);
    const peer = kind === this.#kind ? this.peer : this.peer?.sibling;
    if (peer === undefined) this.#counters.dropped['no-destination'] += 1;
    else peer.#send(bytes);
  }

  #send(bytes: Buffer): void {
    const destination = this.#destination;
    if (destination === undefined || this.#isClosed) {
      this.#counters.dropped['no-destination'] += 1;
      return;
    }
    try {
      if (this.#isConnected) this.#socket.send(bytes);
      else this.#socket.send(bytes, destination.port, destination.address);
      this.#counters.relayed += 1;
    } catch {
      // The connection that was asked for did not come about, or the address is one that nothing can be sent to.
      this.received.errors += 1;
      this.#counters.dropped['send-failed'] += 1;
    }
  }

  /**
   * Brings socket and headers in line with the latch. Connected, the socket hears its peer alone (which closes RTP bleed in the
   * kernel) and sends without a look-up; while a better source may still come it stays open, and the latch keeps strangers out.
   */
  #follow(): void {
    const { source, destination, isFinal } = this.latch;
    this.#flow = source === undefined ? undefined : flowHeader(source, this.#local);
    this.#destination = destination;
    if (this.#kind === 'rtp' && source !== undefined) this.sibling?.trust(source.address);
    this.#disconnect();
    if (isFinal && source !== undefined && destination !== undefined) this.#connect(source);
  }

  /** Where the party's RTP comes from its RTCP may come from. */
  trust(address: string): void {
    this.latch.trust(address);
  }

  #connect(source: Endpoint): void {
    try {
      this.#socket.connect(source.port, source.address);
      this.#isConnected = true;
    } catch {
      this.#isConnected = false;
    }
  }

  #disconnect(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    try {
      this.#socket.disconnect();
    } catch {
      // It never was connected.
    }
  }
}
