// The Linux system calls of the packet engines, through koffi: plain numbers in, plain numbers out. A bad address makes a system
// call fail; only memory functions would end the process, so none is called.
import { arch, platform } from 'node:os';
import { GrecError, messageOf } from '../../errors.ts';

/** As `__NR_` numbers them: the same on x64 and arm64. */
const IO_URING_SETUP = 425;
const IO_URING_ENTER = 426;
const IO_URING_REGISTER = 427;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_POPULATE = 0x8000;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x2 | 0x20 | 0x4000;

/** An address that is passed for each packet is a bigint made once: as a number it would be allocated anew for each call. */
type Call = (...numbers: (number | bigint)[]) => number;

/** Waits for a descriptor to become readable, in the event loop. */
export interface Watch {
  start(onReadable: () => void): void;
  stop(): void;
  close(): void;
}

/** Each returns -1 when it fails, and `errno` says why. */
export interface Kernel {
  socket: Call;
  bind: Call;
  connect: Call;
  close: Call;
  setsockopt: Call;
  getsockname: Call;
  /** fd, buffer, length, flags, address, its length */
  recvfrom: Call;
  send: Call;
  sendto: Call;
  eventfd: Call;
  /** fd, buffer, length */
  read: Call;
  epollCreate: Call;
  epollControl: Call;
  epollWait: Call;
  ringSetup(entries: number, params: number): number;
  ringEnter(ring: number, submit: number, complete: number, flags: number): number;
  ringRegister(ring: number, operation: number, argument: number, count: number): number;
  errno(): number;
  /** ENOENT and the like. */
  errorName(errno: number): string;
  /** Memory of the process; it is given back when it ends. @throws GrecError ENGINE_UNUSABLE */
  map(bytes: number): { address: number; memory: ArrayBuffer };
  /** Memory that is shared with the kernel. @throws GrecError ENGINE_UNUSABLE */
  mapRing(fd: number, offset: number, bytes: number): ArrayBuffer;
  watch(fd: number): Watch;
}

/** @throws GrecError ENGINE_UNUSABLE when this is not Linux on a 64-bit processor, or koffi is not installed */
export async function openKernel(): Promise<Kernel> {
  if (platform() !== 'linux' || !['x64', 'arm64'].includes(arch()))
    throw unusable(`${platform()} on ${arch()} is not Linux on x64 or arm64`);
  try {
    const { default: koffi } = await import('koffi');
    return bindKernel(koffi);
  } catch (thrown) {
    throw unusable(`koffi cannot be loaded: ${messageOf(thrown).split('\n', 1)[0]}`);
  }
}

function bindKernel(koffi: typeof import('koffi')['default']): Kernel {
  const libc = koffi.load(null);
  const declare = (text: string): Call => libc.func(text) as unknown as Call;
  const names = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));
  const mmap = declare('int64 mmap(uintptr, size_t, int, int, int, int64)');
  const syscall = declare('long syscall(long, long, long, long, long, long, long)');
  const errorName = (errno: number) => names.get(errno) ?? `error ${errno}`;
  const map = (bytes: number, flags: number, fd: number, offset: number): number => {
    const address = mmap(0, bytes, PROT_READ_WRITE, flags, fd, offset);
    if (address > 0) return address;
    throw unusable(`mmap of ${bytes} bytes: ${errorName(koffi.errno())}`);
  };
  const view = (address: number, bytes: number): ArrayBuffer => koffi.view(BigInt(address), bytes);
  return {
    socket: declare('int socket(int, int, int)'),
    bind: declare('int bind(int, uintptr, uint32)'),
    connect: declare('int connect(int, uintptr, uint32)'),
    close: declare('int close(int)'),
    setsockopt: declare('int setsockopt(int, int, int, uintptr, uint32)'),
    getsockname: declare('int getsockname(int, uintptr, uintptr)'),
    recvfrom: declare('int recvfrom(int, uintptr, size_t, int, uintptr, uintptr)'),
    send: declare('int send(int, uintptr, size_t, int)'),
    sendto: declare('int sendto(int, uintptr, size_t, int, uintptr, uint32)'),
    eventfd: declare('int eventfd(uint32, int)'),
    read: declare('int read(int, uintptr, size_t)'),
    epollCreate: declare('int epoll_create1(int)'),
    epollControl: declare('int epoll_ctl(int, int, int, uintptr)'),
    epollWait: declare('int epoll_wait(int, uintptr, int, int)'),
    ringSetup: (entries, params) => syscall(IO_URING_SETUP, entries, params, 0, 0, 0, 0),
    ringEnter: (ring, submit, complete, flags) =>
      syscall(IO_URING_ENTER, ring, submit, complete, flags, 0, 0),
    ringRegister: (ring, operation, argument, count) =>
      syscall(IO_URING_REGISTER, ring, operation, argument, count, 0, 0),
    errno: () => koffi.errno(),
    errorName,
    map(bytes) {
      const address = map(bytes, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);
      return { address, memory: view(address, bytes) };
    },
    mapRing: (fd, offset, bytes) => view(map(bytes, MAP_SHARED | MAP_POPULATE, fd, offset), bytes),
    watch: (fd) => new PollWatch(koffi, fd),
  };
}

class PollWatch implements Watch {
  readonly #handle: import('koffi').node.PollHandle;
  #onReadable: () => void = () => undefined;

  constructor(koffi: typeof import('koffi')['default'], fd: number) {
    this.#handle = koffi.node.poll(fd, { readable: true }, () => this.#onReadable());
    this.#handle.stop();
  }

  start(onReadable: () => void): void {
    this.#onReadable = onReadable;
    this.#handle.start({ readable: true }, () => this.#onReadable());
  }

  stop(): void {
    this.#handle.stop();
  }

  close(): void {
    this.#handle.close();
  }
}

export function unusable(reason: string): GrecError {
  return new GrecError('ENGINE_UNUSABLE', reason, {
    hint: 'leave out [mediad] engine, and the best one that works is taken',
  });
}
