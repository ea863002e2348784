// UDP sockets of the engines that call the kernel themselves: bound, aimed and told apart by number.
import { isIPv6 } from 'node:net';
import type { Endpoint } from '../../spool/pcap.ts';
import { RECEIVE_BUFFER_BYTES } from './dgram-io.ts';
import type { Kernel } from './kernel.ts';
import type { Region } from './region.ts';
import { type SettledStream, SettledStreams, type Way } from './settled-streams.ts';
import {
  AF_INET,
  AF_INET6,
  readSocketAddress,
  SOCKADDR_BYTES,
  writeSocketAddress,
} from './socket-address.ts';
import type { DatagramReceiver } from './udp-io.ts';

const SOCK_DGRAM = 2;
const SOCK_NONBLOCK_CLOEXEC = 0x800 | 0x80000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
/** More than there are ports. */
const MOST_SOCKETS = 1 << 16;
/** Of each socket: where it sends to, then where its last datagram came from. */
const SLOT_BYTES = 64;
const SOURCE_AT = 32;

export class NativeSocket {
  readonly fd: number;
  /** Its number in the table. */
  readonly slot: number;
  readonly receiver: DatagramReceiver;
  /** Offsets in the region. */
  readonly destinationAt: number;
  /** The address of that. */
  readonly destination: bigint;
  readonly #sourceAt: number;
  readonly #kernel: Kernel;
  readonly #region: Region;
  /** 0 when it is aimed at nothing. */
  destinationBytes = 0;
  isConnected = false;
  isClosing = false;
  sourceAddress = '';
  sourcePort = 0;

  readonly stream: SettledStream;

  constructor(
    fd: number,
    slot: number,
    at: number,
    receiver: DatagramReceiver,
    stream: SettledStream,
    kernel: Kernel,
    region: Region,
  ) {
    this.stream = stream;
    this.fd = fd;
    this.slot = slot;
    this.receiver = receiver;
    this.destinationAt = at;
    this.destination = BigInt(region.address(at, SOCKADDR_BYTES));
    this.#sourceAt = at + SOURCE_AT;
    this.#kernel = kernel;
    this.#region = region;
    region.bytes.fill(0, at, at + SLOT_BYTES);
  }

  aim(destination: Endpoint | undefined, isAlone: boolean): void {
    const { bytes } = this.#region;
    if (this.isConnected) this.#disconnect();
    this.destinationBytes =
      destination === undefined ? 0 : writeSocketAddress(bytes, this.destinationAt, destination);
    if (!isAlone || destination === undefined) return;
    const address = this.#region.address(this.destinationAt, SOCKADDR_BYTES);
    this.isConnected = this.#kernel.connect(this.fd, address, this.destinationBytes) === 0;
  }

  /** Where settled streams leave by it. */
  get way(): Way | undefined {
    return this.isConnected && !this.isClosing ? { slot: this.slot, fd: this.fd } : undefined;
  }

  /** An address of no family ends a connection; the port stays bound. */
  #disconnect(): void {
    const { bytes } = this.#region;
    bytes.fill(0, this.destinationAt, this.destinationAt + SOCKADDR_BYTES);
    this.#kernel.connect(this.fd, this.#region.address(this.destinationAt, SOCKADDR_BYTES), SOCKADDR_BYTES);
    this.isConnected = false;
  }

  /** Brings {@link sourceAddress} in line with a socket address in the region; allocates when it is another than before. */
  noteSource(at: number): void {
    const { words, bytes } = this.#region;
    const known = this.#sourceAt >> 2;
    const seen = at >> 2;
    // Family and port, then the IPv4 address, or flow label and IPv6 address.
    if (words[known] === words[seen]) {
      if ((bytes[at] ?? 0) === AF_INET) {
        if (words[known + 1] === words[seen + 1]) return;
      } else if (
        words[known + 2] === words[seen + 2] &&
        words[known + 3] === words[seen + 3] &&
        words[known + 4] === words[seen + 4] &&
        words[known + 5] === words[seen + 5]
      )
        return;
    }
    bytes.copyWithin(this.#sourceAt, at, at + SOCKADDR_BYTES);
    const { address, port } = readSocketAddress(bytes, at);
    this.sourceAddress = address;
    this.sourcePort = port;
  }
}

export class NativeSockets {
  readonly #kernel: Kernel;
  readonly #region: Region;
  readonly #table: (NativeSocket | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #slotsAt: number;
  /** Those that arrive at them. */
  readonly streams: SettledStreams;

  constructor(kernel: Kernel, region: Region) {
    this.#kernel = kernel;
    this.#region = region;
    this.streams = new SettledStreams(region, MOST_SOCKETS);
    this.#slotsAt = region.take(MOST_SOCKETS * SLOT_BYTES);
  }

  get(slot: number): NativeSocket | undefined {
    return this.#table[slot];
  }

  /** @throws a system error */
  open(address: string, port: number, receiver: DatagramReceiver): NativeSocket {
    const slot = this.#free.pop() ?? this.#table.length;
    if (slot >= MOST_SOCKETS) throw systemError('EMFILE', 'socket');
    const at = this.#slotsAt + slot * SLOT_BYTES;
    try {
      const fd = this.#bind(address, port, at);
      const socket = new NativeSocket(
        fd,
        slot,
        at,
        receiver,
        this.streams.open(slot),
        this.#kernel,
        this.#region,
      );
      this.#table[slot] = socket;
      return socket;
    } catch (thrown) {
      if (slot === this.#table.length) this.#table.push(undefined);
      this.#free.push(slot);
      throw thrown;
    }
  }

  #bind(address: string, port: number, at: number): number {
    const kernel = this.#kernel;
    const family = isIPv6(address) ? AF_INET6 : AF_INET;
    const fd = this.#check('socket', kernel.socket(family, SOCK_DGRAM | SOCK_NONBLOCK_CLOEXEC, 0));
    try {
      const place = this.#region.address(at, SLOT_BYTES);
      this.#region.words[at >> 2] = RECEIVE_BUFFER_BYTES;
      this.#check('setsockopt', kernel.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, place, 4));
      const length = writeSocketAddress(this.#region.bytes, at, { address, port });
      this.#check('bind', kernel.bind(fd, place, length));
      return fd;
    } catch (thrown) {
      kernel.close(fd);
      throw thrown;
    }
  }

  /** The port that it was given. */
  portOf({ fd, destinationAt }: NativeSocket): number {
    const { words, bytes } = this.#region;
    words[(destinationAt + SOURCE_AT) >> 2] = SOCKADDR_BYTES;
    const length = this.#region.address(destinationAt + SOURCE_AT, 4);
    this.#check(
      'getsockname',
      this.#kernel.getsockname(fd, this.#region.address(destinationAt, SOCKADDR_BYTES), length),
    );
    words[(destinationAt + SOURCE_AT) >> 2] = 0;
    return bytes.readUInt16BE(destinationAt + 2);
  }

  /** Its number may be used again. */
  close({ fd, slot, stream }: NativeSocket): void {
    stream.unsettle();
    this.#kernel.close(fd);
    this.#table[slot] = undefined;
    this.#free.push(slot);
  }

  *[Symbol.iterator](): Generator<NativeSocket> {
    for (const socket of this.#table) if (socket !== undefined) yield socket;
  }

  #check(call: string, result: number): number {
    if (result >= 0) return result;
    throw systemError(this.#kernel.errorName(this.#kernel.errno()), call);
  }
}

function systemError(code: string, call: string): Error {
  return Object.assign(new Error(`${call} ${code}`), { code });
}
