// The tap of one call: copies packets as pcap records into preallocated chunks and writes them behind the relay's back.
import { messageOf } from '../../errors.ts';
import { type FlowHeader, recordLength, writeRecord } from '../../spool/pcap.ts';
import type { EngineCounters, Tap, TapChannel, TapEnd, TapSink } from './engine.ts';

/** Some 150 packets of G.711. */
const CHUNK_BYTES = 32 << 10;
/** What all taps together may hold while a disk stalls: 128 MB. */
const MOST_CHUNKS = 4096;
/** What one tap may hold: 2 MB, a minute and a half of a call. */
const MOST_CHUNKS_PER_TAP = 64;
const MOST_FREE_CHUNKS = 512;

interface Chunk {
  bytes: Buffer;
  used: number;
  /** Packets in it, by channel. */
  packets: [number, number];
}

/** The memory of all taps of an engine. */
export class ChunkPool {
  #free: Chunk[] = [];
  #taken = 0;

  /** @returns an empty chunk, or undefined when all that there may be are in use */
  take(): Chunk | undefined {
    if (this.#taken >= MOST_CHUNKS) return undefined;
    this.#taken += 1;
    return this.#free.pop() ?? { bytes: Buffer.allocUnsafeSlow(CHUNK_BYTES), used: 0, packets: [0, 0] };
  }

  release(chunk: Chunk): void {
    this.#taken -= 1;
    chunk.used = 0;
    chunk.packets[0] = 0;
    chunk.packets[1] = 0;
    if (this.#free.length < MOST_FREE_CHUNKS) this.#free.push(chunk);
  }
}

export class ChunkTap implements Tap {
  lost = 0;
  readonly #pool: ChunkPool;
  readonly #counters: EngineCounters;
  readonly #onTrouble: (reason: string | undefined) => void;
  readonly #captured: [number, number] = [0, 0];
  #sink: TapSink | undefined;
  /** Full chunks, oldest first; the one being filled is apart. */
  #full: Chunk[] = [];
  #filling: Chunk | undefined;
  #writing: Promise<void> | undefined;
  #hasTrouble = false;
  readonly #onClose: (tap: ChunkTap) => void;

  constructor(
    pool: ChunkPool,
    counters: EngineCounters,
    onTrouble: (reason: string | undefined) => void,
    onClose: (tap: ChunkTap) => void,
  ) {
    this.#pool = pool;
    this.#counters = counters;
    this.#onTrouble = onTrouble;
    this.#onClose = onClose;
  }

  /** Copies one packet. Never waits, never fails: what has no room is counted as lost. */
  copy(channel: TapChannel, at: number, flow: FlowHeader, payload: Uint8Array): void {
    const length = recordLength(flow, payload.length);
    let chunk = this.#filling;
    if (chunk === undefined || chunk.used + length > CHUNK_BYTES) {
      chunk = length > CHUNK_BYTES ? undefined : this.#nextChunk();
      if (chunk === undefined) {
        this.lost += 1;
        return;
      }
    }
    chunk.used = writeRecord(chunk.bytes, chunk.used, at, flow, payload);
    chunk.packets[channel] += 1;
    this.#counters.recorded += 1;
    this.#counters.recordedBytes += length;
  }

  #nextChunk(): Chunk | undefined {
    this.#setAside();
    if (this.#full.length >= MOST_CHUNKS_PER_TAP) return undefined;
    this.#filling = this.#pool.take();
    if (this.#full.length > 0) this.flush();
    return this.#filling;
  }

  #setAside(): void {
    if (this.#filling !== undefined && this.#filling.used > 0) {
      this.#full.push(this.#filling);
      this.#filling = undefined;
    }
  }

  drainTo(sink: TapSink): void {
    this.#sink = sink;
    this.flush();
  }

  /** Begins to write what was copied so far, unless a write is under way. */
  flush(): void {
    if (this.#writing !== undefined || this.#sink === undefined) return;
    if (this.#full.length === 0) this.#setAside();
    if (this.#full.length === 0) return;
    this.#writing = this.#write(this.#sink).finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(sink: TapSink): Promise<void> {
    for (let chunk = this.#full[0]; chunk !== undefined; chunk = this.#full[0]) {
      try {
        await sink.append(chunk.bytes.subarray(0, chunk.used));
      } catch (thrown) {
        if (!this.#hasTrouble) this.#onTrouble(messageOf(thrown));
        this.#hasTrouble = true;
        return;
      }
      this.#full.shift();
      this.#captured[0] += chunk.packets[0];
      this.#captured[1] += chunk.packets[1];
      this.#pool.release(chunk);
      if (this.#hasTrouble) this.#onTrouble(undefined);
      this.#hasTrouble = false;
    }
  }

  async drain(): Promise<boolean> {
    await this.#writing;
    this.#setAside();
    this.flush();
    await this.#writing;
    return this.#full.length === 0;
  }

  end(): TapEnd {
    this.#onClose(this);
    this.#setAside();
    for (const chunk of this.#full) {
      this.lost += chunk.packets[0] + chunk.packets[1];
      this.#pool.release(chunk);
    }
    this.#full = [];
    if (this.#filling !== undefined) this.#pool.release(this.#filling);
    this.#filling = undefined;
    return { captured: this.#captured, lost: this.lost };
  }
}
