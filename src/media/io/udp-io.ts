// What an engine must be able to do with datagrams and captures; all that is done with them is the same for every engine.
import { microsNow } from '../../spool/clock.ts';
import type { Endpoint } from '../../spool/pcap.ts';
import type { SettledStream, SettledStreams, Way } from './settled-streams.ts';

/** The time of the packets at hand, in two whole numbers: a number with a fraction would be allocated anew for each packet. */
export class PacketClock {
  /** Since 1970. */
  seconds = 0;
  micros = 0;

  tick(): void {
    const now = microsNow();
    this.seconds = Math.floor(now / 1e6);
    this.micros = now - this.seconds * 1e6;
  }
}

/** Who is told what happens to a socket. */
export interface DatagramReceiver {
  /** A datagram, from `start` to `end` in `bytes`: theirs only until this returns. It came at the time of the clock. */
  receive(bytes: Buffer, start: number, end: number, address: string, port: number): void;
  /** A datagram of more than fits. */
  receiveOversized(): void;
  /** ICMP: nobody listens there (any more, or yet). */
  onUnreachable(): void;
  /** A datagram that was taken for sending could not be sent. */
  onSendFailed(): void;
}

/** A bound UDP port. */
export interface DatagramSocket {
  /** The one that was asked for, or given when that was 0. */
  readonly port: number;
  /**
   * Where datagrams go from now on.
   * @param isAlone nothing is to be heard from anywhere else: the socket is connected
   */
  aim(destination: Endpoint | undefined, isAlone: boolean): void;
  /**
   * Sends to where it is aimed. A part of a larger Buffer of the caller's may be written over as soon as this returns; a datagram that was received, or
   * a Buffer of its own, must not be changed any more. @returns false when that cannot be
   */
  send(bytes: Buffer, start: number, end: number): boolean;
  /** What the engine may do with packets that arrive here by itself; undefined when it leaves all to its receiver. */
  readonly stream: SettledStream | undefined;
  /** Where streams that leave by this socket do so, while it is connected. */
  readonly way: Way | undefined;
  close(): Promise<void>;
}

/** Memory for copies. */
export interface Chunk {
  bytes: Buffer;
  /** The same memory in 32-bit words, of an engine that receives into it too, on a little-endian machine. */
  words: Int32Array | undefined;
  /** Where its own part of `bytes` begins. */
  start: number;
  /** Bytes of it that are taken. */
  used: number;
  /** Packets in it, by channel. */
  packets: [number, number];
}

/** Takes whole pcap records; what it refuses it is given again. One call at a time. */
export interface TapSink {
  /**
   * Appends what a chunk holds, which must not change meanwhile.
   * @param onWritten told later: undefined, or the system error that it was refused with
   */
  append(chunk: Chunk, onWritten: (problem: unknown) => void): void;
  /** The length of the capture. */
  readonly bytes: number;
  close(): Promise<void>;
}

export interface UdpIo {
  readonly name: string;
  readonly clock: PacketClock;
  /** Undefined when its receivers are handed every packet. */
  readonly streams: SettledStreams | undefined;
  /**
   * Binds a port, 0 for any free one.
   * @throws a system error: EADDRINUSE when it is taken
   */
  bind(address: string, port: number, receiver: DatagramReceiver): Promise<DatagramSocket>;
  /** New memory of that size for copies, or undefined when there is no more. */
  createChunk(size: number): Chunk | undefined;
  /** Chunks that are kept for later when they are not needed; more are let go of. */
  readonly mostFreeChunks: number;
  /** Opens a capture to append to it. @throws a system error */
  openCapture(path: string): Promise<TapSink>;
  close(): Promise<void>;
}
