// Datagrams through io_uring: one multishot receive for each socket into provided buffers, sends straight from there, and captures
// written by the same ring. Kernel 6.1 is the first with all of it (DEFER_TASKRUN).
import { release } from 'node:os';
import { REGION_BYTES } from './epoll-io.ts';
import { type Kernel, openKernel, unusable } from './kernel.ts';
import { type NativeSocket, NativeSockets } from './native-socket.ts';
import { PacketLoop } from './packet-loop.ts';
import { Region } from './region.ts';
import { ProvidedBuffers, Ring, setAddress } from './ring.ts';
import { RingCaptures } from './ring-captures.ts';
import type { SettledStreams } from './settled-streams.ts';
import { SOCKADDR_BYTES } from './socket-address.ts';
import { type Chunk, type DatagramReceiver, PacketClock, type TapSink, type UdpIo } from './udp-io.ts';

const FIRST_KERNEL = [6, 1] as const;
/** Before this one a file that has left the table of files is closed up to a second later, and its port is taken until then. */
const FIRST_WITH_FILES = [6, 13] as const;
const REQUESTS = 1024;
/** Sockets that may be in the table of files; as many as this process may have. */
const MOST_FILES = [1 << 16, 1 << 14, 1 << 12, 1 << 10];
const COMPLETIONS = 4096;
/** What may arrive in ten milliseconds in which this process does not run. */
const BUFFERS = 1024;
/**
 * With header and source of the datagram: 20 ms of uncompressed stereo (L16/48000/2), which are 3,852 bytes, must fit. Not a power of two, so
 * that the beginnings of all buffers do not compete for the same few lines of the processor's cache.
 */
const BUFFER_BYTES = 4096 + 256;
/** struct io_uring_recvmsg_out, then the source address. */
const SOURCE_AT = 16;
const PAYLOAD_AT = SOURCE_AT + SOCKADDR_BYTES;
/**
 * Places for what is sent from elsewhere: SRTP, which grows. A send copies its datagram when it is submitted, as it never waits
 * (MSG_DONTWAIT), so that when all places are taken, in the middle of a turn too, they are submitted and free again.
 */
const COPIES = 64;

/** Instead of a descriptor: the socket stands in the table of files. */
const IN_TABLE = -1;
const NONE = -1;

const OP_RECVMSG = 10;
const OP_ASYNC_CANCEL = 14;
const OP_SEND = 26;
const FIXED_FILE = 1 << 0;
const SELECT_BUFFER = 1 << 5;
/** No completion but for a failure. */
const QUIET = 1 << 6;
const MULTISHOT = 1 << 1;
const COMPLETION_BUFFER = 1;
const COMPLETION_MORE = 2;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
const MSG_TRUNC = 0x20;
/** Rounds of one turn: the event loop must not starve. */
const MOST_ROUNDS = 64;

/** The high word of a request's own: what it is. The low one is the number of its socket or write. */
const RECEIVE = 1;
const SEND = 2;
const WRITE = 3;
const CANCEL = 4;

/** @throws GrecError ENGINE_UNUSABLE */
export async function createUringIo(): Promise<UdpIo> {
  if (!isKernelFrom(FIRST_KERNEL))
    throw unusable(`kernel ${release()} is older than ${FIRST_KERNEL.join('.')}`);
  return new UringIo(await openKernel());
}

function isKernelFrom([first, second]: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > first || (major === first && minor >= second);
}

class UringIo implements UdpIo {
  readonly name = 'io_uring';
  readonly clock = new PacketClock();
  /** They are parts of the region. */
  readonly mostFreeChunks = Number.POSITIVE_INFINITY;
  readonly #kernel: Kernel;
  readonly #region: Region;
  readonly #sockets: NativeSockets;
  readonly streams: SettledStreams;
  readonly #ring: Ring;
  readonly #buffers: ProvidedBuffers;
  readonly #loop: PacketLoop;
  /** Sockets with a smaller slot stand in the ring's table of files, by it. */
  #files = 0;
  readonly #messageAt: number;
  readonly #copiesAt: number;
  /** Buffers to give back once what is sent from them is submitted. */
  readonly #used = new Uint16Array(BUFFERS);
  #usedCount = 0;
  /** Slots that receive no more, for want of a buffer. */
  #starved: number[] = [];
  #copies = 0;
  readonly #closing = new Map<number, () => void>();
  readonly #captures: RingCaptures;
  readonly #onCompletion = (low: number, high: number, result: number, flags: number) =>
    this.#complete(low, high, result, flags);

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    const region = new Region(kernel, REGION_BYTES);
    this.#region = region;
    this.#ring = new Ring(kernel, region, REQUESTS, COMPLETIONS);
    if (isKernelFrom(FIRST_WITH_FILES))
      this.#files = MOST_FILES.find((count) => this.#ring.makeFileTable(count)) ?? 0;
    this.#buffers = new ProvidedBuffers(kernel, region, this.#ring, BUFFERS, BUFFER_BYTES);
    this.#captures = new RingCaptures(kernel, region, this.#ring, WRITE, () => this.#soon());
    this.#sockets = new NativeSockets(kernel, region);
    this.streams = this.#sockets.streams;
    this.#copiesAt = region.take(COPIES * BUFFER_BYTES);
    // struct msghdr: of what a multishot receive reads, only the length of the name is not 0.
    this.#messageAt = region.take(56);
    region.words[(this.#messageAt >> 2) + 2] = SOCKADDR_BYTES;
    this.#loop = new PacketLoop(kernel, {
      fd: this.#ring.eventFd,
      work: () => this.#work(),
      arm: () => this.#ring.tell(),
      disarm: () => this.#ring.hush(),
    });
  }

  async bind(address: string, port: number, receiver: DatagramReceiver) {
    const socket = this.#sockets.open(address, port, receiver);
    const given = port === 0 ? this.#sockets.portOf(socket) : port;
    const isInTable = socket.slot < this.#files && this.#ring.setFile(socket.slot, socket.fd);
    this.#receive(socket);
    this.#soon();
    return {
      port: given,
      aim: socket.aim.bind(socket),
      send: (bytes: Buffer, start: number, end: number) => this.#send(socket, bytes, start, end),
      stream: socket.stream,
      get way() {
        return socket.way && { slot: socket.slot, fd: isInTable ? IN_TABLE : socket.fd };
      },
      close: () => this.#close(socket),
    };
  }

  /** Asks for everything that arrives, until that is cancelled or fails. */
  #receive({ fd, slot }: NativeSocket): void {
    const at = this.#ring.next();
    const { requests } = this.#ring;
    requests[at] = OP_RECVMSG | (SELECT_BUFFER << 8) | (MULTISHOT << 16);
    requests[at + 1] = fd;
    setAddress(requests, at + 4, this.#region.address(this.#messageAt, 56));
    requests[at + 6] = 1;
    requests[at + 8] = slot;
    requests[at + 9] = RECEIVE;
  }

  createChunk(size: number): Chunk | undefined {
    const { bytes, words } = this.#region;
    const start = this.#region.take(size);
    return start < 0 ? undefined : { bytes, words, start, used: 0, packets: [0, 0] };
  }

  /** What is asked for between two turns is submitted in the next one. */
  #soon(): void {
    this.#loop.wake();
  }

  #close(socket: NativeSocket): Promise<void> {
    if (socket.isClosing) return Promise.resolve();
    socket.isClosing = true;
    const closed = new Promise<void>((resolve) => this.#closing.set(socket.slot, resolve));
    const at = this.#ring.next();
    const { requests } = this.#ring;
    requests[at] = OP_ASYNC_CANCEL | (QUIET << 8);
    requests[at + 1] = -1;
    requests[at + 4] = socket.slot;
    requests[at + 5] = RECEIVE;
    requests[at + 9] = CANCEL;
    this.#soon();
    return closed;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sockets].map((socket) => this.#close(socket)));
    this.#loop.close();
    this.#ring.close();
  }

  #work(): number {
    let all = 0;
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      this.#enter();
      // Behind what it tells of: nothing bears a time from before it came, however long this process had to wait for its turn.
      this.clock.tick();
      const count = this.#ring.collect(this.#onCompletion);
      if (count === 0) break;
      all += count;
    }
    // What the last round has left to send.
    if (this.#ring.pending > 0) this.#enter();
    return all;
  }

  #ended(socket: NativeSocket): void {
    if (socket.slot < this.#files) this.#ring.setFile(socket.slot, NONE);
    this.#sockets.close(socket);
    this.#closing.get(socket.slot)?.();
    this.#closing.delete(socket.slot);
  }

  /** Sends are done when they are submitted: their buffers go back. */
  #enter(): void {
    this.#ring.enter();
    if (this.#ring.pending > 0) return;
    this.#copies = 0;
    if (this.#usedCount === 0) return;
    for (let index = 0; index < this.#usedCount; index += 1) this.#buffers.give(this.#used[index] ?? 0);
    this.#usedCount = 0;
    this.#buffers.publish();
    if (this.#starved.length > 0) this.#feed();
  }

  /** Earlier they would find no buffer again, at the price of a packet each. */
  #feed(): void {
    for (const slot of this.#starved.splice(0)) {
      const socket = this.#sockets.get(slot);
      if (socket?.isClosing === true) this.#ended(socket);
      else if (socket !== undefined) this.#receive(socket);
    }
  }

  #complete(low: number, high: number, result: number, flags: number): void {
    if (high === RECEIVE) this.#received(low, result, flags);
    else if (high === SEND) this.#sockets.get(low)?.receiver.onSendFailed();
    else if (high === WRITE) this.#captures.written(low, result);
  }

  #received(slot: number, result: number, flags: number): void {
    if ((flags & COMPLETION_BUFFER) !== 0) {
      const number = flags >>> 16;
      if (result >= PAYLOAD_AT) this.#datagram(slot, this.#buffers.offset(number), result);
      // Only now: what is sent may submit, which gives back all that is used.
      this.#used[this.#usedCount] = number;
      this.#usedCount += 1;
    }
    if ((flags & COMPLETION_MORE) !== 0) return;
    const socket = this.#sockets.get(slot);
    if (socket !== undefined) this.#receiveEnded(socket, result);
  }

  #datagram(slot: number, at: number, length: number): void {
    const { bytes, words } = this.#region;
    const { seconds, micros } = this.clock;
    const isCut = ((words[(at >> 2) + 3] ?? 0) & MSG_TRUNC) !== 0;
    const [source, start, end] = [at + SOURCE_AT, at + PAYLOAD_AT, at + length];
    const stream = isCut ? -1 : this.streams.take(slot, source, start, end, seconds, micros);
    if (stream >= 0) return this.#sendSettled(stream, start, end - start);
    const socket = this.#sockets.get(slot);
    if (socket === undefined) return;
    if (isCut) return socket.receiver.receiveOversized();
    socket.noteSource(at + SOURCE_AT);
    const { sourceAddress, sourcePort } = socket;
    socket.receiver.receive(bytes, at + PAYLOAD_AT, at + length, sourceAddress, sourcePort);
  }

  /** Cancelled, or ended by ICMP or for want of a buffer: then it is asked for anew. */
  #receiveEnded(socket: NativeSocket, result: number): void {
    if (socket.isClosing) return this.#ended(socket);
    const error = result < 0 ? this.#kernel.errorName(-result) : undefined;
    if (error === 'ECONNREFUSED') socket.receiver.onUnreachable();
    if (error === 'ENOBUFS' && this.#usedCount > 0) this.#starved.push(socket.slot);
    else this.#receive(socket);
  }

  /** In the middle of work, always. */
  #sendSettled(stream: number, at: number, length: number): void {
    const { streams } = this;
    const slot = streams.slotOf(stream);
    const fd = streams.fdOf(stream);
    const isInTable = fd === IN_TABLE;
    const request = this.#ring.next();
    const { requests } = this.#ring;
    requests[request] = OP_SEND | ((isInTable ? QUIET | FIXED_FILE : QUIET) << 8);
    requests[request + 1] = isInTable ? slot : fd;
    setAddress(requests, request + 4, this.#region.address(at, length));
    requests[request + 6] = length;
    requests[request + 7] = MSG_DONTWAIT_NOSIGNAL;
    requests[request + 8] = slot;
    requests[request + 9] = SEND;
  }

  #send(socket: NativeSocket, bytes: Buffer, start: number, end: number): boolean {
    const { slot, fd, isConnected, destinationBytes, destinationAt, isClosing } = socket;
    if (isClosing || (!isConnected && destinationBytes === 0)) return false;
    const at = this.#place(bytes, start, end);
    if (at < 0) return false;
    const request = this.#ring.next();
    const { requests } = this.#ring;
    requests[request] = OP_SEND | (QUIET << 8);
    requests[request + 1] = fd;
    if (!isConnected) {
      setAddress(requests, request + 2, this.#region.address(destinationAt, SOCKADDR_BYTES));
      requests[request + 11] = destinationBytes;
    }
    setAddress(requests, request + 4, this.#region.address(at, end - start));
    requests[request + 6] = end - start;
    requests[request + 7] = MSG_DONTWAIT_NOSIGNAL;
    requests[request + 8] = slot;
    requests[request + 9] = SEND;
    this.#loop.wake();
    return true;
  }

  /** Where a datagram is in the region, into which it is copied when it is not there. */
  #place(bytes: Buffer, start: number, end: number): number {
    const offset = this.#region.offsetOf(bytes);
    if (offset >= 0) return offset + start;
    if (end - start > BUFFER_BYTES) return -1;
    if (this.#copies >= COPIES) this.#enter();
    if (this.#copies >= COPIES) return -1;
    const at = this.#copiesAt + this.#copies * BUFFER_BYTES;
    this.#copies += 1;
    bytes.copy(this.#region.bytes, at, start, end);
    return at;
  }

  openCapture(path: string): Promise<TapSink> {
    return this.#captures.open(path);
  }
}
