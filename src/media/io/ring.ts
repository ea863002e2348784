// An io_uring of one thread (io_uring_setup(2)): requests are queued, submitted together, and answered by completions. Requests and
// completions are read and written as 32-bit words; which word is which stands in linux/io_uring.h.
import { GrecError } from '../../errors.ts';
import { type Kernel, unusable } from './kernel.ts';
import type { Region } from './region.ts';

const PARAMS_BYTES = 120;
const SETUP_CQSIZE = 1 << 3;
const SETUP_SUBMIT_ALL = 1 << 7;
const SETUP_SINGLE_ISSUER = 1 << 12;
const SETUP_DEFER_TASKRUN = 1 << 13;
const FEATURE_SINGLE_MMAP = 1;
const OFFSET_RING = 0;
const OFFSET_REQUESTS = 0x10000000;
const ENTER_GETEVENTS = 1;
const REGISTER_EVENTFD = 4;
const REGISTER_FILES_UPDATE = 6;
const REGISTER_FILES = 13;
const REGISTER_BUFFER_RING = 22;
/** Of the table of files: it is empty at first. */
const SPARSE = 1;
/** IORING_CQ_EVENTFD_DISABLED, in the flags of the completions. */
const EVENTFD_DISABLED = 1;
const EFD_NONBLOCK_CLOEXEC = 0x800 | 0x80000;
const REQUEST_WORDS = 16;
const COMPLETION_WORDS = 4;
const BUFFER_ENTRY_BYTES = 16;

/** A request that is refused for want of memory may be taken later. */
const MOST_TRIES = 100;

/** Handed out for each completion: the two words of the request's own, its result and its flags. */
export type OnCompletion = (low: number, high: number, result: number, flags: number) => void;

export class Ring {
  readonly fd: number;
  /** The requests, in words. */
  readonly requests: Int32Array;
  readonly #kernel: Kernel;
  readonly #ring: Int32Array;
  readonly #requestTail: number;
  readonly #requestMask: number;
  readonly #requestEntries: number;
  readonly #completionHead: number;
  readonly #completionTail: number;
  readonly #completionMask: number;
  readonly #completions: number;
  readonly #flags: number;
  readonly #counter: number;
  readonly #region: Region;
  readonly #filesAt: number;
  /** An eventfd(2): readable when there is work, unless it {@link hush}es. The ring itself is not, with DEFER_TASKRUN. */
  readonly eventFd: number;
  #tail = 0;
  /** Requests that are queued and not yet submitted. */
  pending = 0;

  /** @throws GrecError ENGINE_UNUSABLE with what the kernel says */
  constructor(kernel: Kernel, region: Region, requests: number, completions: number) {
    this.#kernel = kernel;
    this.#region = region;
    this.#filesAt = region.take(64);
    const at = region.take(PARAMS_BYTES);
    const params = region.words.subarray(at >> 2, (at + PARAMS_BYTES) >> 2);
    params.fill(0);
    params[1] = completions;
    params[2] = SETUP_CQSIZE | SETUP_SUBMIT_ALL | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN;
    this.fd = kernel.ringSetup(requests, region.address(at, PARAMS_BYTES));
    if (this.fd < 0) throw unusable(`io_uring_setup: ${kernel.errorName(kernel.errno())}`);
    const word = (index: number) => params[index] ?? 0;
    const hasOneMap = (word(5) & FEATURE_SINGLE_MMAP) !== 0;
    if (!hasOneMap) throw unusable('io_uring without IORING_FEAT_SINGLE_MMAP');
    // struct io_sqring_offsets begins at byte 40, struct io_cqring_offsets at byte 80.
    const bytes = Math.max(word(16) + 4 * word(0), word(25) + 16 * word(1));
    this.#ring = new Int32Array(kernel.mapRing(this.fd, OFFSET_RING, Math.ceil(bytes / 4096) * 4096));
    this.requests = new Int32Array(kernel.mapRing(this.fd, OFFSET_REQUESTS, 64 * word(0)));
    this.#requestEntries = word(0);
    this.#requestTail = word(11) >> 2;
    this.#requestMask = word(0) - 1;
    this.#completionHead = word(20) >> 2;
    this.#completionTail = word(21) >> 2;
    this.#completionMask = word(1) - 1;
    this.#completions = word(25) >> 2;
    this.#flags = word(26) >> 2;
    const counterAt = region.take(8);
    this.eventFd = kernel.eventfd(0, EFD_NONBLOCK_CLOEXEC);
    region.words[counterAt >> 2] = this.eventFd;
    this.#counter = region.address(counterAt, 8);
    if (kernel.ringRegister(this.fd, REGISTER_EVENTFD, this.#counter, 1) < 0)
      throw unusable(`IORING_REGISTER_EVENTFD: ${kernel.errorName(kernel.errno())}`);
    // Requests stand in the order of their numbers.
    const array = word(16) >> 2;
    for (let index = 0; index < this.#requestEntries; index += 1) this.#ring[array + index] = index;
  }

  /**
   * Queues a request of zeros; those that are queued are submitted first when there is no room.
   * @returns where its words begin in {@link requests}
   */
  next(): number {
    for (let tries = 0; this.pending >= this.#requestEntries; tries += 1) {
      if (tries === MOST_TRIES) throw new GrecError('INTERNAL', 'io_uring takes no requests any more');
      this.enter();
    }
    const at = (this.#tail & this.#requestMask) * REQUEST_WORDS;
    const { requests } = this;
    for (let word = at; word < at + REQUEST_WORDS; word += 1) requests[word] = 0;
    this.#tail = (this.#tail + 1) | 0;
    this.pending += 1;
    return at;
  }

  /** Submits what is queued, and lets the kernel do what it has to do for what came. It does not wait. */
  enter(): void {
    Atomics.store(this.#ring, this.#requestTail, this.#tail);
    const submitted = this.#kernel.ringEnter(this.fd, this.pending, 0, ENTER_GETEVENTS);
    if (submitted > 0) this.pending -= submitted;
  }

  /** Hands out the completions that are there. @returns how many */
  collect(onCompletion: OnCompletion): number {
    const ring = this.#ring;
    let head = ring[this.#completionHead] ?? 0;
    const tail = Atomics.load(ring, this.#completionTail);
    const count = (tail - head) | 0;
    while (head !== tail) {
      const at = this.#completions + (head & this.#completionMask) * COMPLETION_WORDS;
      onCompletion(ring[at] ?? 0, ring[at + 1] ?? 0, ring[at + 2] ?? 0, ring[at + 3] ?? 0);
      head = (head + 1) | 0;
    }
    Atomics.store(ring, this.#completionHead, head);
    return count;
  }

  /**
   * Makes a table of files, by whose numbers requests may name them: the kernel need not look them up and count its users.
   * @returns false when the process may not have so many
   */
  makeFileTable(count: number): boolean {
    // struct io_uring_rsrc_register, then struct io_uring_files_update and the descriptor that it points to.
    const { words } = this.#region;
    const at = this.#filesAt >> 2;
    words.fill(0, at, at + 16);
    words[at] = count;
    words[at + 1] = SPARSE;
    return (
      this.#kernel.ringRegister(this.fd, REGISTER_FILES, this.#region.address(this.#filesAt, 32), 32) >= 0
    );
  }

  /** @param fd -1 for none; the kernel forgets the one before. @returns whether it is in the table */
  setFile(number: number, fd: number): boolean {
    const { words } = this.#region;
    const at = this.#filesAt >> 2;
    words[at] = number;
    words[at + 1] = 0;
    setAddress(words, at + 2, this.#region.address(this.#filesAt + 16, 4));
    words[at + 4] = fd;
    return (
      this.#kernel.ringRegister(
        this.fd,
        REGISTER_FILES_UPDATE,
        this.#region.address(this.#filesAt, 16),
        1,
      ) === 1
    );
  }

  /** The eventfd tells of work from now on. */
  tell(): void {
    Atomics.and(this.#ring, this.#flags, ~EVENTFD_DISABLED);
  }

  /** It does not, and is not readable any more. */
  hush(): void {
    Atomics.or(this.#ring, this.#flags, EVENTFD_DISABLED);
    this.#kernel.read(this.eventFd, this.#counter, 8);
  }

  close(): void {
    this.#kernel.close(this.eventFd);
    this.#kernel.close(this.fd);
  }
}

/** Buffers of one size that the kernel takes for what arrives, each named by its number, and that are given back. */
export class ProvidedBuffers {
  readonly #region: Region;
  readonly #ringAt: number;
  readonly #buffersAt: number;
  readonly #mask: number;
  readonly size: number;
  #tail = 0;

  /** @param count a power of two. @throws GrecError ENGINE_UNUSABLE with what the kernel says */
  constructor(kernel: Kernel, region: Region, ring: Ring, count: number, size: number) {
    this.#region = region;
    this.#ringAt = region.take(count * BUFFER_ENTRY_BYTES);
    this.#buffersAt = region.take(count * size);
    this.#mask = count - 1;
    this.size = size;
    const at = region.take(40);
    // struct io_uring_buf_reg: address of the ring, its entries, number of the group (0).
    setAddress(region.words, at >> 2, region.address(this.#ringAt, count * BUFFER_ENTRY_BYTES));
    region.words[(at >> 2) + 2] = count;
    if (kernel.ringRegister(ring.fd, REGISTER_BUFFER_RING, region.address(at, 40), 1) < 0)
      throw unusable(`IORING_REGISTER_PBUF_RING: ${kernel.errorName(kernel.errno())}`);
    for (let number = 0; number < count; number += 1) this.give(number);
    this.publish();
  }

  /** Where a buffer begins in the region. */
  offset(number: number): number {
    return this.#buffersAt + (number & this.#mask) * this.size;
  }

  /** Gives one back; the kernel sees it when they are published. */
  give(number: number): void {
    const { words } = this.#region;
    const at = (this.#ringAt + (this.#tail & this.#mask) * BUFFER_ENTRY_BYTES) >> 2;
    setAddress(words, at, this.#region.address(this.offset(number), this.size));
    words[at + 2] = this.size;
    // The upper half of the first entry's word is the tail of the ring.
    words[at + 3] = ((words[at + 3] ?? 0) & ~0xffff) | number;
    this.#tail = (this.#tail + 1) & 0xffff;
  }

  publish(): void {
    const at = (this.#ringAt >> 2) + 3;
    const entry = (this.#region.words[at] ?? 0) & 0xffff;
    Atomics.store(this.#region.words, at, entry | (this.#tail << 16));
  }
}

/** Writes an address into two words. */
export function setAddress(words: Int32Array, at: number, address: number): void {
  words[at] = address | 0;
  words[at + 1] = Math.floor(address / 0x100000000);
}
