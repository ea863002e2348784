// What the load generator asks of the kernel: sendmmsg(2) and recvmmsg(2) on one UDP socket, over memory that is laid out once.
//
// One socket is every party: each has an address of its own in 127.0.0.0/8, from which its packets are sent (IP_PKTINFO, ip(7))
// and at which the socket hears it, being bound to all. The kernel says when each packet came (SO_TIMESTAMPNS, socket(7)).
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const callSocket = libc.func('int socket(int, int, int)');
const callBind = libc.func('int bind(int, uint8_t *, uint32_t)');
const callName = libc.func('int getsockname(int, _Inout_ uint8_t *, _Inout_ uint32_t *)');
const callOption = libc.func('int setsockopt(int, int, int, uint8_t *, uint32_t)');
const callSend = libc.func('int sendmmsg(int, intptr_t, uint32_t, int)');
const callReceive = libc.func('int recvmmsg(int, intptr_t, uint32_t, int, intptr_t)');
const callMap = libc.func('intptr_t mmap(intptr_t, size_t, int, int, int, intptr_t)');
const callClock = libc.func('int clock_gettime(int, intptr_t)');
const callSleep = libc.func('int usleep(uint32_t)');

const AF_INET = 2;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;
const CLOCK_REALTIME = 0;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_RCVBUF = 8;
const SO_TIMESTAMPNS = 35;
const IP_PKTINFO = 8;
const IP_MTU_DISCOVER = 10;
const IP_PMTUDISC_DO = 2;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;

/** struct mmsghdr, iovec, sockaddr_in, and a control message with one in_pktinfo or timespec, on 64-bit Linux. */
const MMSGHDR = 64;
const IOVEC = 16;
const SOCKADDR = 16;
const CONTROL = 32;
const SOCKET_BUFFER_BYTES = 64 << 20;
/** Packets in one recvmmsg. */
const RECEIVE_BATCH = 256;
const RECEIVE_BYTES = 256;

export const RTP_BYTES = 172;
const PACKET_BYTES = 176;

interface Region {
  address: number;
  view: DataView;
}

function map(bytes: number): Region {
  const address = Number(callMap(0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
  if (address <= 0) throw new Error(`mmap of ${bytes} bytes: errno ${koffi.errno()}`);
  return { address, view: new DataView(koffi.view(BigInt(address), bytes)) };
}

function check(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
  return result;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** Where all parties are: one port, every address of 127.0.0.0/8. */
export function openPartySocket(): { fd: number; port: number } {
  const fd = check(callSocket(AF_INET, SOCK_DGRAM, 0), 'socket');
  const name = Buffer.alloc(SOCKADDR);
  name.writeUInt16LE(AF_INET, 0);
  check(callBind(fd, name, SOCKADDR), 'bind');
  const bytes = int32(SOCKET_BUFFER_BYTES);
  // Beyond rmem_max only for root; without it a pause of the generator may cost packets, which are then shown as lost.
  if (callOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes, 4) < 0)
    callOption(fd, SOL_SOCKET, SO_RCVBUF, bytes, 4);
  callOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes, 4);
  // No identification is made up for a packet that must not be cut (RFC 6864): 5 % cheaper.
  check(callOption(fd, 0, IP_MTU_DISCOVER, int32(IP_PMTUDISC_DO), 4), 'IP_MTU_DISCOVER');
  check(callOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, int32(1), 4), 'SO_TIMESTAMPNS');
  const length = [SOCKADDR];
  check(callName(fd, name, length), 'getsockname');
  return { fd, port: name.readUInt16BE(2) };
}

/** The address of one party. */
export function partyAddress(index: number): string {
  return `127.1.${index >> 8}.${index & 0xff}`;
}

export interface Endpoint {
  address: string;
  port: number;
}

function putAddress(view: DataView, at: number, address: string): void {
  for (const [index, part] of address.split('.').entries()) view.setUint8(at + index, Number(part));
}

/** One message for each party, written out beforehand: only the packet's own fields change between two sends. */
export class Outbox {
  readonly view: DataView;
  readonly #fd: number;
  readonly #region: Region;
  readonly #packets: number;

  constructor(fd: number, targets: readonly Endpoint[]) {
    const count = targets.length;
    this.#fd = fd;
    this.#region = map(count * (MMSGHDR + IOVEC + SOCKADDR + CONTROL + PACKET_BYTES));
    this.view = this.#region.view;
    this.#packets = count * (MMSGHDR + IOVEC + SOCKADDR + CONTROL);
    for (const [index, target] of targets.entries()) this.#lay(index, count, target);
  }

  /** Offset of a party's packet in {@link view}. */
  packetAt(index: number): number {
    return this.#packets + index * PACKET_BYTES;
  }

  #lay(index: number, count: number, { address, port }: Endpoint): void {
    const { view } = this;
    const base = this.#region.address;
    const [header, vector] = [index * MMSGHDR, count * MMSGHDR + index * IOVEC];
    const name = count * (MMSGHDR + IOVEC) + index * SOCKADDR;
    const control = count * (MMSGHDR + IOVEC + SOCKADDR) + index * CONTROL;
    putHeader(view, header, base, { name, vector, control });
    putVector(view, vector, base + this.packetAt(index), RTP_BYTES);
    view.setUint16(name, AF_INET, true);
    view.setUint16(name + 2, port);
    putAddress(view, name + 4, address);
    view.setBigUint64(control, 28n, true);
    view.setInt32(control + 8, 0, true);
    view.setInt32(control + 12, IP_PKTINFO, true);
    putAddress(view, control + 20, partyAddress(index));
  }

  /** Sends the packets of `count` parties from `first` on. */
  send(first: number, count: number): void {
    for (let done = 0; done < count; ) {
      const at = this.#region.address + (first + done) * MMSGHDR;
      done += check(callSend(this.#fd, at, count - done, 0), 'sendmmsg');
    }
  }
}

function putHeader(
  view: DataView,
  at: number,
  base: number,
  parts: { name: number; vector: number; control: number },
): void {
  view.setBigUint64(at, parts.name < 0 ? 0n : BigInt(base + parts.name), true);
  view.setUint32(at + 8, parts.name < 0 ? 0 : SOCKADDR, true);
  view.setBigUint64(at + 16, BigInt(base + parts.vector), true);
  view.setBigUint64(at + 24, 1n, true);
  view.setBigUint64(at + 32, BigInt(base + parts.control), true);
  view.setBigUint64(at + 40, BigInt(CONTROL), true);
}

function putVector(view: DataView, at: number, address: number, bytes: number): void {
  view.setBigUint64(at, BigInt(address), true);
  view.setBigUint64(at + 8, BigInt(bytes), true);
}

/** Takes what has come, up to a batch at a time. */
export class Inbox {
  readonly view: DataView;
  readonly #fd: number;
  readonly #address: number;

  constructor(fd: number) {
    const { address, view } = map(RECEIVE_BATCH * (MMSGHDR + IOVEC + CONTROL + RECEIVE_BYTES));
    this.#fd = fd;
    this.#address = address;
    this.view = view;
    for (let index = 0; index < RECEIVE_BATCH; index += 1) {
      const vector = RECEIVE_BATCH * MMSGHDR + index * IOVEC;
      putHeader(view, index * MMSGHDR, address, { name: -1, vector, control: this.#controlAt(index) });
      putVector(view, vector, address + this.packetAt(index), RECEIVE_BYTES);
    }
  }

  /** Offset of a received packet in {@link view}. */
  packetAt(index: number): number {
    return RECEIVE_BATCH * (MMSGHDR + IOVEC + CONTROL) + index * RECEIVE_BYTES;
  }

  #controlAt(index: number): number {
    return RECEIVE_BATCH * (MMSGHDR + IOVEC) + index * CONTROL;
  }

  /** Bytes of a received packet. */
  length(index: number): number {
    return this.view.getUint32(index * MMSGHDR + 56, true);
  }

  /** When the kernel had the packet, in microseconds since 1970. */
  cameAt(index: number): number {
    return readTime(this.view, this.#controlAt(index) + 16);
  }

  /** @returns how many packets there are; 0 when none has come */
  receive(): number {
    const count = callReceive(this.#fd, this.#address, RECEIVE_BATCH, MSG_DONTWAIT, 0);
    return Math.max(count, 0);
  }

  /** Makes ready for the next {@link receive} what the last one has written over. */
  reset(count: number): void {
    for (let index = 0; index < count; index += 1) this.view.setUint32(index * MMSGHDR + 40, CONTROL, true);
  }

  get isFullAt(): number {
    return RECEIVE_BATCH;
  }
}

function readTime(view: DataView, at: number): number {
  const seconds = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  return seconds * 1e6 + view.getUint32(at + 8, true) / 1e3;
}

const clock = map(4096);

/** The clock by which the kernel stamps packets, in microseconds since 1970. */
export function realTime(): number {
  callClock(CLOCK_REALTIME, clock.address);
  return readTime(clock.view, 0);
}

/** Blocks this process. */
export function sleepMicros(micros: number): void {
  callSleep(micros);
}
