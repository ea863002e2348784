// A capture on the disk, appended to through the thread pool: neither a slow disk nor a full one is noticed by the packets.
import { fstatSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Chunk, TapSink } from './udp-io.ts';

/** @throws a system error */
export async function openCaptureFile(path: string): Promise<TapSink> {
  const file = await open(path, 'r+');
  try {
    return new CaptureFile(file, fstatSync(file.fd).size);
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

class CaptureFile implements TapSink {
  bytes: number;
  readonly #file: FileHandle;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.bytes = size;
  }

  append(chunk: Chunk, onWritten: (problem: unknown) => void): void {
    this.#write(chunk).then(
      () => onWritten(undefined),
      (thrown: unknown) => onWritten(thrown),
    );
  }

  async #write({ bytes, start, used }: Chunk): Promise<void> {
    for (let done = 0; done < used; ) {
      // At a position of our own: what a refused call left behind is written over by the next.
      const { bytesWritten } = await this.#file.write(bytes, start + done, used - done, this.bytes + done);
      done += bytesWritten;
    }
    this.bytes += used;
  }

  async close(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }
}
