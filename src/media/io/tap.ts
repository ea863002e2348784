// The tap of one call: copies packets as pcap records into preallocated chunks and writes them behind the relay's back.
import { messageOf } from '../../errors.ts';
import { FILE_HEADER_BYTES, type FlowHeader, fillRecord, recordLength } from '../../spool/pcap.ts';
import type { EngineCounters, Tap, TapChannel, TapEnd } from './engine.ts';
import type { Chunk, TapSink, UdpIo } from './udp-io.ts';

/** Some 38 packets of G.711: more than a flush interval brings, and no more memory than that is touched by it. */
const CHUNK_BYTES = 8 << 10;
/** What all taps together may hold while a disk stalls: 128 MB. */
const MOST_CHUNKS = 16384;
/** What one tap may hold: 2 MB, a minute and a half of a call. */
const MOST_CHUNKS_PER_TAP = 256;

/** The memory of all taps of an engine. */
export class ChunkPool {
  readonly #io: Pick<UdpIo, 'createChunk' | 'mostFreeChunks'>;
  #free: Chunk[] = [];
  #taken = 0;

  constructor(io: Pick<UdpIo, 'createChunk' | 'mostFreeChunks'>) {
    this.#io = io;
  }

  /** @returns an empty chunk, or undefined when all that there may be are in use */
  take(): Chunk | undefined {
    if (this.#taken >= MOST_CHUNKS) return undefined;
    const chunk = this.#free.pop() ?? this.#io.createChunk(CHUNK_BYTES);
    if (chunk !== undefined) this.#taken += 1;
    return chunk;
  }

  release(chunk: Chunk): void {
    this.#taken -= 1;
    chunk.used = 0;
    chunk.packets[0] = 0;
    chunk.packets[1] = 0;
    if (this.#free.length < this.#io.mostFreeChunks) this.#free.push(chunk);
  }
}

export class ChunkTap implements Tap {
  /** Packets that had no room. */
  lost = 0;
  readonly #pool: ChunkPool;
  readonly #io: Pick<UdpIo, 'openCapture'>;
  readonly #counters: EngineCounters;
  readonly #onTrouble: (reason: string | undefined) => void;
  readonly #captured: [number, number] = [0, 0];
  readonly #leftOut: [number, number] = [0, 0];
  #capture: string | undefined;
  #sink: TapSink | undefined;
  /** Full chunks, oldest first; the one being filled is apart. */
  #full: Chunk[] = [];
  #filling: Chunk | undefined;
  #writing: Promise<void> | undefined;
  #hasTrouble = false;
  readonly #onClose: (tap: ChunkTap) => void;

  constructor(
    pool: ChunkPool,
    io: Pick<UdpIo, 'openCapture'>,
    counters: EngineCounters,
    onTrouble: (reason: string | undefined) => void,
    onClose: (tap: ChunkTap) => void,
  ) {
    this.#pool = pool;
    this.#io = io;
    this.#counters = counters;
    this.#onTrouble = onTrouble;
    this.#onClose = onClose;
  }

  /** Copies one packet. Never waits, never fails: what has no room is counted as lost. */
  copy(
    channel: TapChannel,
    seconds: number,
    micros: number,
    flow: FlowHeader,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const length = recordLength(flow, end - start);
    let chunk = this.#filling;
    if (chunk === undefined || chunk.used + length > CHUNK_BYTES) {
      chunk = length > CHUNK_BYTES ? undefined : this.#nextChunk();
      if (chunk === undefined) {
        this.lost += 1;
        if (length <= CHUNK_BYTES) this.#trouble('the disk takes less than comes: packets are lost');
        return;
      }
    }
    fillRecord(chunk.bytes, chunk.start + chunk.used, seconds, micros, flow, bytes, start, end);
    chunk.used += length;
    chunk.packets[channel] += 1;
    this.#counters.recorded += 1;
    this.#counters.recordedBytes += length;
  }

  /** Counts one packet that is not to be copied. */
  leaveOut(channel: TapChannel): void {
    this.#leftOut[channel] += 1;
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

  drainTo(capture: string): void {
    this.#capture = capture;
    this.flush();
  }

  /** Begins to write what was copied so far, unless a write is under way. */
  flush(): void {
    if (this.#writing !== undefined || this.#capture === undefined) return;
    if (this.#full.length === 0) this.#setAside();
    if (this.#full.length === 0) return;
    this.#writing = this.#write(this.#capture).finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(capture: string): Promise<void> {
    for (let chunk = this.#full[0]; chunk !== undefined; chunk = this.#full[0]) {
      try {
        this.#sink ??= await this.#io.openCapture(capture);
        await this.#sink.append(chunk.bytes.subarray(chunk.start, chunk.start + chunk.used));
      } catch (thrown) {
        this.#trouble(messageOf(thrown));
        return;
      }
      this.#full.shift();
      this.#captured[0] += chunk.packets[0];
      this.#captured[1] += chunk.packets[1];
      this.#pool.release(chunk);
      // A slow disk takes one now and then: it is well again when nothing waits for it.
      if (this.#hasTrouble && this.#full.length === 0) {
        this.#hasTrouble = false;
        this.#onTrouble(undefined);
      }
    }
  }

  #trouble(reason: string): void {
    if (this.#hasTrouble) return;
    this.#hasTrouble = true;
    this.#onTrouble(reason);
  }

  async drain(): Promise<boolean> {
    await this.#writing;
    this.#setAside();
    this.flush();
    await this.#writing;
    return this.#full.length === 0;
  }

  async end(): Promise<TapEnd> {
    this.#onClose(this);
    this.#capture = undefined;
    // A write that is under way still reads its chunk.
    await this.#writing;
    this.#setAside();
    for (const chunk of this.#full) {
      this.lost += chunk.packets[0] + chunk.packets[1];
      this.#pool.release(chunk);
    }
    this.#full = [];
    if (this.#filling !== undefined) this.#pool.release(this.#filling);
    this.#filling = undefined;
    await this.#sink?.close();
    return {
      captured: this.#captured,
      leftOut: this.#leftOut,
      lost: this.lost,
      bytes: this.#sink?.bytes ?? FILE_HEADER_BYTES,
    };
  }
}
