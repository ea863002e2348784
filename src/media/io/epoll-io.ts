// Datagrams through epoll(7), recvfrom(2) and send(2), called directly.
import { arch } from 'node:os';
import { openCaptureFile } from './capture-file.ts';
import { type Kernel, openKernel, unusable } from './kernel.ts';
import { type NativeSocket, NativeSockets } from './native-socket.ts';
import { PacketLoop } from './packet-loop.ts';
import { Region } from './region.ts';
import type { SettledStreams } from './settled-streams.ts';
import { SOCKADDR_BYTES } from './socket-address.ts';
import { type Chunk, type DatagramReceiver, PacketClock, type UdpIo } from './udp-io.ts';

const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
/** struct epoll_event: packed on x64, not so on arm64. */
const EVENT_BYTES = arch() === 'x64' ? 12 : 16;
const EVENT_DATA_AT = arch() === 'x64' ? 4 : 8;
const MOST_EVENTS = 512;
/** Rounds of one turn: the event loop must not starve. */
const MOST_ROUNDS = 64;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
/** The largest datagram, and room for what rewrites it. */
const DATAGRAM_BYTES = 65536 + 128;
/** Taps may take 128 MB; the rest is for sockets and datagrams. */
export const REGION_BYTES = 144 << 20;

/** @throws GrecError ENGINE_UNUSABLE */
export async function createEpollIo(): Promise<UdpIo> {
  return new EpollIo(await openKernel());
}

class EpollIo implements UdpIo {
  readonly name = 'epoll';
  readonly clock = new PacketClock();
  /** They are parts of the region. */
  readonly mostFreeChunks = Number.POSITIVE_INFINITY;
  readonly openCapture = openCaptureFile;
  readonly #kernel: Kernel;
  readonly #region: Region;
  readonly #sockets: NativeSockets;
  readonly streams: SettledStreams;
  readonly #loop: PacketLoop;
  readonly #epoll: number;
  readonly #eventsAt: number;
  readonly #events: bigint;
  readonly #inAt: number;
  readonly #in: bigint;
  readonly #sourceAt: number;
  readonly #source: bigint;
  readonly #sourceLength: bigint;
  readonly #outAt: number;
  readonly #out: bigint;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    const region = new Region(kernel, REGION_BYTES);
    this.#region = region;
    this.#sockets = new NativeSockets(kernel, region);
    this.streams = this.#sockets.streams;
    this.#eventsAt = region.take(MOST_EVENTS * EVENT_BYTES);
    this.#events = BigInt(region.address(this.#eventsAt, MOST_EVENTS * EVENT_BYTES));
    this.#inAt = region.take(DATAGRAM_BYTES);
    this.#in = BigInt(region.address(this.#inAt, DATAGRAM_BYTES));
    this.#outAt = region.take(DATAGRAM_BYTES);
    this.#out = BigInt(region.address(this.#outAt, DATAGRAM_BYTES));
    this.#sourceAt = region.take(64);
    this.#source = BigInt(region.address(this.#sourceAt, SOCKADDR_BYTES));
    this.#sourceLength = BigInt(region.address(this.#sourceAt + 32, 4));
    this.#epoll = kernel.epollCreate(EPOLL_CLOEXEC);
    if (this.#epoll < 0) throw unusable(`epoll_create1: ${kernel.errorName(kernel.errno())}`);
    this.#loop = new PacketLoop(kernel, { fd: this.#epoll, work: () => this.#work() });
  }

  async bind(address: string, port: number, receiver: DatagramReceiver) {
    const socket = this.#sockets.open(address, port, receiver);
    this.#register(socket);
    return {
      port: port === 0 ? this.#sockets.portOf(socket) : port,
      aim: socket.aim.bind(socket),
      send: (bytes: Buffer, start: number, end: number) => this.#send(socket, bytes, start, end),
      stream: socket.stream,
      get way() {
        return socket.way;
      },
      close: async () => this.#sockets.close(socket),
    };
  }

  #register({ fd, slot }: NativeSocket): void {
    const { bytes } = this.#region;
    bytes.writeUInt32LE(EPOLLIN, this.#eventsAt);
    bytes.writeUInt32LE(slot, this.#eventsAt + EVENT_DATA_AT);
    this.#kernel.epollControl(this.#epoll, EPOLL_CTL_ADD, fd, this.#events);
  }

  createChunk(size: number): Chunk | undefined {
    const { bytes, words } = this.#region;
    const start = this.#region.take(size);
    return start < 0 ? undefined : { bytes, words, start, used: 0, packets: [0, 0] };
  }

  async close(): Promise<void> {
    this.#loop.close();
    for (const socket of this.#sockets) this.#sockets.close(socket);
    this.#kernel.close(this.#epoll);
  }

  #work(): number {
    let all = 0;
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const count = this.#kernel.epollWait(this.#epoll, this.#events, MOST_EVENTS, 0);
      if (count <= 0) break;
      // Behind what it tells of: nothing bears a time from before it came.
      this.clock.tick();
      for (let index = 0; index < count; index += 1) this.#serve(index);
      all += count;
    }
    return all;
  }

  #serve(index: number): void {
    const { bytes, words } = this.#region;
    const slot = words[(this.#eventsAt + index * EVENT_BYTES + EVENT_DATA_AT) >> 2] ?? -1;
    const socket = this.#sockets.get(slot);
    if (socket === undefined) return;
    words[(this.#sourceAt + 32) >> 2] = SOCKADDR_BYTES;
    const length = this.#kernel.recvfrom(
      socket.fd,
      this.#in,
      DATAGRAM_BYTES,
      MSG_DONTWAIT_NOSIGNAL,
      this.#source,
      this.#sourceLength,
    );
    if (length < 0) return this.#notReceived(socket);
    const { seconds, micros } = this.clock;
    const end = this.#inAt + length;
    const stream = this.streams.take(slot, this.#sourceAt, this.#inAt, end, seconds, micros);
    if (stream >= 0) return this.#sendSettled(stream, length);
    socket.noteSource(this.#sourceAt);
    socket.receiver.receive(bytes, this.#inAt, end, socket.sourceAddress, socket.sourcePort);
  }

  /** Nothing after all, or ICMP. */
  #notReceived({ receiver }: NativeSocket): void {
    const { errno, errorName } = this.#kernel;
    if (!['EAGAIN', 'EWOULDBLOCK', 'EINTR'].includes(errorName(errno()))) receiver.onUnreachable();
  }

  /** What was received last. */
  #sendSettled(stream: number, length: number): void {
    const { streams } = this;
    if (this.#kernel.send(streams.fdOf(stream), this.#in, length, MSG_DONTWAIT_NOSIGNAL) === length) return;
    this.#sockets.get(streams.slotOf(stream))?.receiver.onSendFailed();
  }

  #send(socket: NativeSocket, bytes: Buffer, start: number, end: number): boolean {
    const length = end - start;
    if (length > DATAGRAM_BYTES) return false;
    const address = this.#place(bytes, start, end);
    const { isConnected, fd, destination, destinationBytes } = socket;
    if (isConnected) return this.#kernel.send(fd, address, length, MSG_DONTWAIT_NOSIGNAL) === length;
    if (destinationBytes === 0) return false;
    return (
      this.#kernel.sendto(fd, address, length, MSG_DONTWAIT_NOSIGNAL, destination, destinationBytes) ===
      length
    );
  }

  /** The address of a datagram: the one at hand, or a copy of what comes from elsewhere. */
  #place(bytes: Buffer, start: number, end: number): bigint {
    if (bytes === this.#region.bytes && start === this.#inAt) return this.#in;
    bytes.copy(this.#region.bytes, this.#outAt, start, end);
    return this.#out;
  }
}
