// The tap of one call: copies packets as pcap records into preallocated chunks and writes them behind the relay's back.
import { messageOf } from '../../errors.ts';
import {
  FILE_HEADER_BYTES,
  type FlowHeader,
  fillRecord,
  fillRecordWords,
  recordLength,
} from '../../spool/pcap.ts';
import type { EngineCounters, Tap, TapChannel, TapEnd } from './engine.ts';
import { sealingSink } from './sealing-sink.ts';
import { lonelyTapPlace, TAP_END, TAP_PACKETS, TAP_POSITION, type TapPlace } from './settled-streams.ts';
import type { Chunk, TapSink, UdpIo } from './udp-io.ts';

/** Some 38 packets of G.711: more than a flush interval brings, and no more memory than that is touched by it. */
const CHUNK_BYTES = 8 << 10;
/** What all taps together may hold while a disk stalls: 128 MB. */
const MOST_CHUNKS = 16384;
/** What one tap may hold: 2 MB, a minute and a half of a call. */
const MOST_CHUNKS_PER_TAP = 256;

/** The memory of all taps of an engine. */
export class ChunkPool {
  readonly #io: Pick<UdpIo, 'createChunk' | 'mostFreeChunks' | 'streams'>;
  #free: Chunk[] = [];
  #taken = 0;

  constructor(io: Pick<UdpIo, 'createChunk' | 'mostFreeChunks' | 'streams'>) {
    this.#io = io;
  }

  /** @returns an empty chunk, or undefined when all that there may be are in use */
  take(): Chunk | undefined {
    if (this.#taken >= MOST_CHUNKS) return undefined;
    const chunk = this.#free.pop() ?? this.#io.createChunk(CHUNK_BYTES);
    if (chunk !== undefined) this.#taken += 1;
    return chunk;
  }

  /** Where a tap keeps what it is filling. */
  openPlace(): TapPlace {
    return this.#io.streams?.openTap() ?? lonelyTapPlace();
  }

  release(chunk: Chunk): void {
    this.#taken -= 1;
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
  #key: Buffer | undefined;
  #sink: TapSink | undefined;
  /** Full chunks, oldest first; the one being filled is apart. */
  #full: Chunk[] = [];
  #filling: Chunk | undefined;
  /** How far that is filled: for settled streams, too. */
  readonly place: TapPlace;
  #isWriting = false;
  /** Told when nothing is being written any more. */
  #onIdle: (() => void)[] = [];
  #hasTrouble = false;
  #isEnded = false;
  readonly #onClose: (tap: ChunkTap) => void;
  readonly #onWritten = (problem: unknown) => this.#written(problem);

  constructor(
    pool: ChunkPool,
    io: Pick<UdpIo, 'openCapture'>,
    counters: EngineCounters,
    onTrouble: (reason: string | undefined) => void,
    onClose: (tap: ChunkTap) => void,
  ) {
    this.#pool = pool;
    this.place = pool.openPlace();
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
    // Its place may be another one's by now.
    if (this.#isEnded) return;
    const length = recordLength(flow, end - start);
    const { words: place, at } = this.place;
    let chunk = this.#filling;
    if (chunk === undefined || (place[at + TAP_POSITION] ?? 0) + length > (place[at + TAP_END] ?? 0)) {
      chunk = length > CHUNK_BYTES ? undefined : this.#nextChunk();
      if (chunk === undefined) {
        this.lost += 1;
        if (length <= CHUNK_BYTES) this.#trouble('the disk takes less than comes: packets are lost');
        return;
      }
    }
    const position = place[at + TAP_POSITION] ?? 0;
    const { words } = chunk;
    if (words !== undefined && bytes === chunk.bytes && ((position | start) & 3) === 0 && !flow.isV6)
      fillRecordWords(words, position, seconds, micros, flow, start, end);
    else fillRecord(chunk.bytes, position, seconds, micros, flow, bytes, start, end);
    place[at + TAP_POSITION] = position + length;
    const counted = at + TAP_PACKETS + channel;
    place[counted] = (place[counted] ?? 0) + 1;
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
    this.#fill(this.#pool.take());
    if (this.#full.length > 0) this.flush();
    return this.#filling;
  }

  #fill(chunk: Chunk | undefined): void {
    const { words, at } = this.place;
    this.#filling = chunk;
    words[at + TAP_POSITION] = chunk?.start ?? 0;
    words[at + TAP_END] = chunk === undefined ? 0 : chunk.start + CHUNK_BYTES;
    words[at + TAP_PACKETS] = 0;
    words[at + TAP_PACKETS + 1] = 0;
  }

  #setAside(): void {
    const chunk = this.#filling;
    if (chunk === undefined) return;
    const { words, at } = this.place;
    chunk.used = (words[at + TAP_POSITION] ?? 0) - chunk.start;
    if (chunk.used === 0) return;
    chunk.packets[0] = words[at + TAP_PACKETS] ?? 0;
    chunk.packets[1] = words[at + TAP_PACKETS + 1] ?? 0;
    this.#full.push(chunk);
    this.#fill(undefined);
  }

  drainTo(capture: string, key?: Buffer): void {
    this.#capture = capture;
    this.#key = key;
    this.flush();
  }

  /** Begins to write what was copied so far, unless a write is under way. Allocates nothing once the capture is open. */
  flush(): void {
    if (this.#isWriting || this.#capture === undefined) return;
    if (this.#full.length === 0) this.#setAside();
    if (this.#full.length === 0) return;
    this.#isWriting = true;
    if (this.#sink === undefined) void this.#open(this.#capture);
    else this.#writeNext(this.#sink);
  }

  async #open(capture: string): Promise<void> {
    try {
      const sink = await this.#io.openCapture(capture);
      this.#sink = this.#key === undefined ? sink : sealingSink(sink, this.#key);
    } catch (thrown) {
      return this.#stopWriting(thrown);
    }
    this.#writeNext(this.#sink);
  }

  #writeNext(sink: TapSink): void {
    const chunk = this.#full[0];
    if (chunk === undefined) this.#stopWriting(undefined);
    else sink.append(chunk, this.#onWritten);
  }

  #written(problem: unknown): void {
    if (problem !== undefined || this.#sink === undefined) return this.#stopWriting(problem);
    const chunk = this.#full.shift();
    if (chunk !== undefined) this.#noteCaptured(chunk);
    this.#writeNext(this.#sink);
  }

  #noteCaptured(chunk: Chunk): void {
    this.#captured[0] += chunk.packets[0];
    this.#captured[1] += chunk.packets[1];
    this.#pool.release(chunk);
    // A slow disk takes one now and then: it is well again when nothing waits for it.
    if (this.#hasTrouble && this.#full.length === 0) {
      this.#hasTrouble = false;
      this.#onTrouble(undefined);
    }
  }

  #stopWriting(problem: unknown): void {
    this.#isWriting = false;
    if (problem !== undefined) this.#trouble(messageOf(problem));
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  async #idle(): Promise<void> {
    if (this.#isWriting) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #trouble(reason: string): void {
    if (this.#hasTrouble) return;
    this.#hasTrouble = true;
    this.#onTrouble(reason);
  }

  async drain(): Promise<boolean> {
    await this.#idle();
    this.#setAside();
    this.flush();
    await this.#idle();
    return this.#full.length === 0;
  }

  async end(): Promise<TapEnd> {
    this.#onClose(this);
    this.#capture = undefined;
    // A write that is under way still reads its chunk.
    await this.#idle();
    this.#setAside();
    for (const chunk of this.#full) {
      this.lost += chunk.packets[0] + chunk.packets[1];
      this.#pool.release(chunk);
    }
    this.#full = [];
    if (this.#filling !== undefined) this.#pool.release(this.#filling);
    this.#filling = undefined;
    this.#isEnded = true;
    this.place.release();
    await this.#sink?.close();
    return {
      captured: this.#captured,
      leftOut: this.#leftOut,
      lost: this.lost,
      bytes: this.#sink?.bytes ?? FILE_HEADER_BYTES,
    };
  }
}
