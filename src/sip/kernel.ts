// The calls of the kernel for sockets, through koffi, where it is installed: 64-bit Linux alone.

/** Addresses are numbers: those of a process are below 2**53. */
export interface Kernel {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, name: Buffer, length: number): number;
  getsockname(fd: number, name: Buffer, length: Buffer): number;
  setsockopt(fd: number, level: number, option: number, value: Buffer, length: number): number;
  recvmmsg(fd: number, address: number, count: number, flags: number, timeout: number): number;
  sendmmsg(fd: number, address: number, count: number, flags: number): number;
  close(fd: number): number;
  /** Of the call before. */
  errno(): number;
  /** Where its memory is, for as long as it is referred to. */
  addressOf(buffer: Buffer): number;
  /** Calls `onReadable` in each turn of the event loop in which something can be read. */
  poll(fd: number, onReadable: () => void): { close(): void };
}

let loading: Promise<Kernel | undefined> | undefined;

/** @returns undefined where there is no koffi, or another system */
export function loadKernel(): Promise<Kernel | undefined> {
  loading ??= load().catch(() => undefined);
  return loading;
}

async function load(): Promise<Kernel | undefined> {
  const is64 = process.arch === 'x64' || process.arch === 'arm64';
  if (process.platform !== 'linux' || !is64) return undefined;
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  const memcpy = library.func('uintptr_t memcpy(void *to, void *from, size_t bytes)');
  return {
    socket: library.func('int socket(int domain, int type, int protocol)'),
    bind: library.func('int bind(int fd, void *name, unsigned int length)'),
    getsockname: library.func('int getsockname(int fd, _Inout_ void *name, _Inout_ void *length)'),
    setsockopt: library.func(
      'int setsockopt(int fd, int level, int option, void *value, unsigned int length)',
    ),
    recvmmsg: library.func(
      'int recvmmsg(int fd, uintptr_t vector, unsigned int count, int flags, uintptr_t timeout)',
    ),
    sendmmsg: library.func('int sendmmsg(int fd, uintptr_t vector, unsigned int count, int flags)'),
    close: library.func('int close(int fd)'),
    errno: () => koffi.errno(),
    // Of no bytes: all that is wanted is where they would go.
    addressOf: (buffer) => Number(memcpy(buffer, buffer, 0)),
    poll: (fd, onReadable) => koffi.node.poll(fd, { readable: true }, () => onReadable()),
  };
}
