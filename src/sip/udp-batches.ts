// UDP in batches, by recvmmsg(2) and sendmmsg(2): all datagrams of a turn in one call of the kernel each way (RFC 3261 section 18).
//
// IPv4 on 64-bit Linux, where koffi is installed: node:dgram does all else. Memory is mapped once; only sizes and bounds that
// are ours are ever written into what the kernel reads, and a bad address would be an error of the call, not of the process.
import { getSystemErrorName } from 'node:util';
import { type Kernel, loadKernel } from './kernel.ts';
import type { ListenAddress } from './listen-error.ts';
import { LARGEST_DATAGRAM, type UdpEvents, type UdpListener } from './transport-udp.ts';
import { HEADER_BYTES, MessageVector } from './udp-vector.ts';
import type { Peer } from './user-agent-types.ts';

const AF_INET = 2;
/** SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC. */
const DATAGRAM_SOCKET = 2 | 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
const MSG_DONTWAIT = 0x40;
const EINTR = 4;
const EAGAIN = 11;
const ENOBUFS = 105;

/** Datagrams of one call. */
const MOST_IN = 32;
const MOST_OUT = 64;
/** What one turn takes in at most: others are to have their turn as well. */
const MOST_ROUNDS = 4;
const SLOT_BYTES = 65_536;
const OUT_BYTES = 256 * 1024;
/** When the kernel takes nothing more, in milliseconds. */
const RETRY_MS = 1;

interface Sending {
  peer: Peer;
  onError: (reason: string) => void;
}

/** @returns undefined where it cannot be had, or the address cannot: node:dgram says why */
export async function openBatches(
  address: ListenAddress,
  events: UdpEvents,
): Promise<UdpListener | undefined> {
  const name = addressWord(address.host);
  const kernel = name === undefined ? undefined : await loadKernel();
  if (kernel === undefined || name === undefined) return undefined;
  const fd = kernel.socket(AF_INET, DATAGRAM_SOCKET, 0);
  if (fd < 0) return undefined;
  const local = bindTo(kernel, fd, name, address);
  if (local === undefined) {
    kernel.close(fd);
    return undefined;
  }
  return new BatchListener(kernel, fd, local, events);
}

function bindTo(kernel: Kernel, fd: number, name: number, { host, port }: ListenAddress): Peer | undefined {
  const socketName = Buffer.alloc(16);
  socketName.writeUInt16LE(AF_INET, 0);
  socketName.writeUInt16BE(port, 2);
  socketName.writeUInt32LE(name, 4);
  if (kernel.bind(fd, socketName, 16) !== 0) return undefined;
  const length = Buffer.from(Uint32Array.of(16).buffer);
  if (kernel.getsockname(fd, socketName, length) !== 0) return undefined;
  // Best effort: a smaller buffer costs retransmissions, not calls.
  kernel.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, Buffer.from(Int32Array.of(RECEIVE_BUFFER_BYTES).buffer), 4);
  return { protocol: 'udp', address: host, port: socketName.readUInt16BE(2) };
}

class BatchListener implements UdpListener {
  readonly local: Peer;
  readonly #kernel: Kernel;
  readonly #fd: number;
  readonly #events: UdpEvents;
  readonly #in: MessageVector;
  readonly #out: MessageVector;
  readonly #poll: { close(): void };
  readonly #addresses = new AddressTexts();
  readonly #words = new WeakMap<Peer, number>();
  readonly #waiting: Sending[] = [];
  /** Bytes of `#out` that are taken. */
  #used = 0;
  #turn: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(kernel: Kernel, fd: number, local: Peer, events: UdpEvents) {
    this.local = local;
    this.#kernel = kernel;
    this.#fd = fd;
    this.#events = events;
    this.#in = new MessageVector(kernel, MOST_IN, MOST_IN * SLOT_BYTES);
    this.#out = new MessageVector(kernel, MOST_OUT, OUT_BYTES);
    for (let index = 0; index < MOST_IN; index++) this.#in.place(index, index * SLOT_BYTES, SLOT_BYTES);
    this.#poll = kernel.poll(fd, () => this.#receive());
  }

  #receive(): void {
    for (let round = 0; round < MOST_ROUNDS && !this.#isClosed; round++) {
      // The kernel has written over the lengths of the names.
      this.#in.resetNames();
      const count = this.#kernel.recvmmsg(this.#fd, this.#in.address, MOST_IN, MSG_DONTWAIT, 0);
      for (let index = 0; index < count && !this.#isClosed; index++) this.#take(index);
      if (count < MOST_IN) return;
    }
  }

  #take(index: number): void {
    const start = index * SLOT_BYTES;
    const bytes = this.#in.data.subarray(start, start + this.#in.lengthAt(index));
    this.#events.onDatagram(bytes, this.#addresses.of(this.#in.wordAt(index)), this.#in.portAt(index));
  }

  send(bytes: Buffer, peer: Peer, onError: (reason: string) => void): void {
    const { length } = bytes;
    if (length > LARGEST_DATAGRAM)
      return queueMicrotask(() => onError(`${length} bytes are too many for one datagram`));
    const word = this.#wordOf(peer);
    if (word === undefined || this.#isClosed)
      return queueMicrotask(() => onError(`nothing can be sent to ${peer.address}`));
    if (!this.#hasRoom(length)) this.flush();
    if (!this.#hasRoom(length)) return queueMicrotask(() => onError('the network takes nothing more'));
    const index = this.#waiting.push({ peer, onError }) - 1;
    this.#out.data.set(bytes, this.#used);
    this.#out.place(index, this.#used, length);
    this.#out.name(index, word, peer.port);
    this.#used += length;
    this.#turn ??= setImmediate(() => this.flush());
  }

  #hasRoom(length: number): boolean {
    return this.#waiting.length < MOST_OUT && this.#used + length <= OUT_BYTES;
  }

  #wordOf(peer: Peer): number | undefined {
    const known = this.#words.get(peer);
    if (known !== undefined) return known;
    const word = addressWord(peer.address);
    if (word !== undefined) this.#words.set(peer, word);
    return word;
  }

  /** Sends what waits. */
  flush(): void {
    if (this.#turn !== undefined) clearImmediate(this.#turn);
    this.#turn = undefined;
    let from = 0;
    const { length } = this.#waiting;
    while (from < length) {
      const first = this.#out.address + from * HEADER_BYTES;
      const sent = this.#kernel.sendmmsg(this.#fd, first, length - from, MSG_DONTWAIT);
      const problem = sent > 0 ? 0 : this.#kernel.errno();
      if (problem === EINTR) continue;
      if (problem === EAGAIN || problem === ENOBUFS) return this.#keepFrom(from);
      if (problem !== 0) this.#tell(this.#waiting[from], problem);
      from += sent > 0 ? sent : 1;
    }
    this.#waiting.length = 0;
    this.#used = 0;
  }

  /** The kernel has no room for the rest now. */
  #keepFrom(from: number): void {
    this.#out.drop(from, this.#waiting.length);
    this.#waiting.splice(0, from);
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (!this.#isClosed) this.flush();
    }, RETRY_MS);
  }

  #tell(sending: Sending | undefined, problem: number): void {
    if (sending === undefined) return;
    const { peer, onError } = sending;
    const name = getSystemErrorName(-problem);
    queueMicrotask(() => onError(`send ${name} ${peer.address}:${peer.port}`));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#poll.close();
    this.#kernel.close(this.#fd);
  }
}

/** An IPv4 address as the kernel has it in memory, read as a number; undefined for anything else. */
function addressWord(address: string): number | undefined {
  const parts = address.split('.');
  if (parts.length !== 4) return undefined;
  let word = 0;
  for (const [index, part] of parts.entries()) {
    const value = Number(part);
    if (!/^\d{1,3}$/.test(part) || value > 255) return undefined;
    word += value * 256 ** index;
  }
  return word;
}

/** Made-up sources must not cost memory for ever. */
const MOST_ADDRESSES = 4096;

class AddressTexts {
  readonly #known = new Map<number, string>();

  of(word: number): string {
    const known = this.#known.get(word);
    if (known !== undefined) return known;
    const text = `${word & 255}.${(word >>> 8) & 255}.${(word >>> 16) & 255}.${word >>> 24}`;
    if (this.#known.size >= MOST_ADDRESSES) this.#known.clear();
    this.#known.set(word, text);
    return text;
  }
}
