// A capture that is encrypted on its way to the disk (sealed-capture.ts): chunk by chunk, in place, when it is written. Nothing is done
// for a packet.
import type { Cipheriv } from 'node:crypto';
import { keystreamAt } from '../../spool/sealed-capture.ts';
import type { Chunk, TapSink } from './udp-io.ts';

/** @param key of this capture */
export function sealingSink(sink: TapSink, key: Buffer): TapSink {
  return new SealingSink(sink, key);
}

class SealingSink implements TapSink {
  readonly #sink: TapSink;
  readonly #keystream: Cipheriv;
  /** Is encrypted already: what was refused is given again. */
  #sealed: Chunk | undefined;

  constructor(sink: TapSink, key: Buffer) {
    this.#sink = sink;
    this.#keystream = keystreamAt(key, sink.bytes);
  }

  get bytes(): number {
    return this.#sink.bytes;
  }

  append(chunk: Chunk, onWritten: (problem: unknown) => void): void {
    if (this.#sealed !== chunk) this.#seal(chunk);
    this.#sink.append(chunk, (problem) => {
      if (problem === undefined) this.#sealed = undefined;
      onWritten(problem);
    });
  }

  #seal(chunk: Chunk): void {
    const { bytes, start, used } = chunk;
    const clear = bytes.subarray(start, start + used);
    this.#keystream.update(clear).copy(clear);
    this.#sealed = chunk;
  }

  close(): Promise<void> {
    return this.#sink.close();
  }
}
