// Captures that an io_uring writes. Once one is open, nothing is allocated for a write.
import { fstatSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Kernel } from './kernel.ts';
import type { Region } from './region.ts';
import { type Ring, setAddress } from './ring.ts';
import type { Chunk, TapSink } from './udp-io.ts';

const OP_WRITE = 23;

export class RingCaptures {
  readonly #kernel: Kernel;
  readonly #region: Region;
  readonly #ring: Ring;
  readonly #kind: number;
  readonly #onQueued: () => void;
  readonly #captures: (RingCapture | undefined)[] = [];
  readonly #free: number[] = [];

  /**
   * @param kind the high word of their requests; the low one is the number of the capture
   * @param onQueued told of each request, which must be submitted soon
   */
  constructor(kernel: Kernel, region: Region, ring: Ring, kind: number, onQueued: () => void) {
    this.#kernel = kernel;
    this.#region = region;
    this.#ring = ring;
    this.#kind = kind;
    this.#onQueued = onQueued;
  }

  /** Opens a capture to append chunks of the region to it. @throws a system error */
  async open(path: string): Promise<TapSink> {
    const file = await open(path, 'r+');
    try {
      const number = this.#free.pop() ?? this.#captures.length;
      const capture = new RingCapture(file, number, this);
      this.#captures[number] = capture;
      return capture;
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  /** A request was answered. @param result how many bytes were written, or an error of the kernel below 0 */
  written(number: number, result: number): void {
    this.#captures[number]?.written(result);
  }

  write(number: number, fd: number, from: number, length: number, position: number): void {
    const at = this.#ring.next();
    const { requests } = this.#ring;
    requests[at] = OP_WRITE;
    requests[at + 1] = fd;
    setAddress(requests, at + 2, position);
    setAddress(requests, at + 4, this.#region.address(from, length));
    requests[at + 6] = length;
    requests[at + 8] = number;
    requests[at + 9] = this.#kind;
    this.#onQueued();
  }

  failure(result: number): Error {
    const code = this.#kernel.errorName(-result);
    return Object.assign(new Error(`write ${code}`), { code });
  }

  release(number: number): void {
    this.#captures[number] = undefined;
    this.#free.push(number);
  }
}

class RingCapture implements TapSink {
  bytes: number;
  readonly #file: FileHandle;
  readonly #fd: number;
  readonly #captures: RingCaptures;
  /** Its place among them. */
  readonly #number: number;
  #chunk: Chunk | undefined;
  #done = 0;
  #onWritten: (problem: unknown) => void = () => undefined;

  constructor(file: FileHandle, number: number, captures: RingCaptures) {
    this.#file = file;
    this.#fd = file.fd;
    this.#captures = captures;
    this.#number = number;
    // The kernel knows it without asking the disk.
    this.bytes = fstatSync(file.fd).size;
  }

  append(chunk: Chunk, onWritten: (problem: unknown) => void): void {
    this.#chunk = chunk;
    this.#done = 0;
    this.#onWritten = onWritten;
    this.#writeRest(chunk);
  }

  #writeRest({ start, used }: Chunk): void {
    const done = this.#done;
    this.#captures.write(this.#number, this.#fd, start + done, used - done, this.bytes + done);
  }

  /** @param result how many bytes were, or an error of the kernel below 0 */
  written(result: number): void {
    const chunk = this.#chunk;
    if (chunk === undefined) return;
    this.#done += Math.max(0, result);
    if (result > 0 && this.#done < chunk.used) return this.#writeRest(chunk);
    this.#chunk = undefined;
    if (this.#done >= chunk.used) this.bytes += chunk.used;
    this.#onWritten(this.#done < chunk.used ? this.#captures.failure(result) : undefined);
  }

  async close(): Promise<void> {
    this.#captures.release(this.#number);
    await this.#file.close().catch(() => undefined);
  }
}
