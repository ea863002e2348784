// One ffmpeg that decodes consecutive frames of one channel: bytes in, samples out, told apart by counting them.
import { endianness } from 'node:os';
import type { Codec, FrameStream } from './codecs.ts';
import { FfmpegProcess } from './ffmpeg-process.ts';

/** Bytes gathered before they go to ffmpeg. */
const BATCH_BYTES = 4096;
/** Samples by which the output may differ from what was expected: the filters of a resampler end so. 10 ms at 8 kHz. */
const TOLERANCE = 80;

export interface DecoderOptions {
  program: string;
  /** ffmpeg's name of the decoder. */
  decoder: string;
  codec: Codec;
  /** Of the output, hertz. */
  sampleRate: number;
  /** How long ffmpeg may stand still, in milliseconds, before it is ended. */
  stallMs: number;
  /** Takes samples as they come; they are valid until it returns. */
  place: (position: number, samples: Int16Array) => void;
}

/** A frame in ffmpeg, of which `done` of `length` samples have come out. */
interface Pending {
  position: number;
  length: number;
  done: number;
  /** Packets that end with it: 1 for the last frame of a packet. */
  packets: number;
}

export class Decoder {
  readonly #options: DecoderOptions;
  readonly #ffmpeg: FfmpegProcess;
  readonly #stream: FrameStream;
  #pending: Pending[] = [];
  #head = 0;
  #batch: Uint8Array[];
  #batchBytes = 0;
  /** Ticks given in, and the samples that they are: rounded as a whole, so that nothing adds up. */
  #ticks = 0;
  #samples = 0;
  #odd: Buffer = Buffer.alloc(0);
  #surplus = 0;
  /** Where the frame stands that was given in last. */
  lastPosition = Number.NEGATIVE_INFINITY;

  constructor(options: DecoderOptions) {
    this.#options = options;
    this.#stream = options.codec.createStream();
    this.#batch = [this.#stream.head()];
    this.#ffmpeg = new FfmpegProcess({
      program: options.program,
      args: argumentsOf(options),
      stallMs: options.stallMs,
      called: 'ffmpeg',
      take: (bytes) => this.#take(bytes),
    });
  }

  /** Why it gives no more. */
  get problem(): string | undefined {
    return this.#ffmpeg.problem;
  }

  /** Where the first sample stands that has not come out; infinite when all have. */
  get oldest(): number {
    const first = this.#pending[this.#head];
    return first === undefined ? Number.POSITIVE_INFINITY : first.position + first.done;
  }

  /**
   * Gives a frame in, when there is room.
   * @param position of its first sample
   * @param packets see {@link Pending}
   */
  async add(data: Uint8Array, ticks: number, position: number, packets: number): Promise<void> {
    const { codec, sampleRate } = this.#options;
    this.#ticks += ticks;
    const samples = Math.round((this.#ticks * sampleRate) / codec.clockRate);
    this.#pending.push({ position, length: samples - this.#samples, done: 0, packets });
    this.#samples = samples;
    this.lastPosition = position;
    const bytes = this.#stream.wrap(data, ticks);
    this.#batch.push(bytes);
    this.#batchBytes += bytes.length;
    if (this.#batchBytes >= BATCH_BYTES && !this.#write()) await this.#ffmpeg.drained();
  }

  /** Waits until everything before `position` has come out, or ffmpeg has failed. */
  async reach(position: number): Promise<void> {
    this.#write();
    await this.#ffmpeg.until(() => this.oldest >= position);
  }

  /** Ends it: all that was given in has come out, or there is a problem. @returns the packets that did not come out */
  async end(): Promise<number> {
    this.#write();
    await this.#ffmpeg.end();
    const missing = this.#pending.slice(this.#head);
    const samples = missing.reduce((sum, { length, done }) => sum + length - done, 0);
    if (samples <= TOLERANCE && this.problem === undefined) return 0;
    const milliseconds = Math.round((samples * 1000) / this.#options.sampleRate);
    this.#ffmpeg.fail(`ffmpeg gave ${milliseconds} ms less than it was given`);
    return missing.reduce((sum, { packets }) => sum + packets, 0);
  }

  /** Nobody wants its samples any more. */
  kill(): void {
    this.#ffmpeg.kill();
  }

  /** @returns whether ffmpeg takes more */
  #write(): boolean {
    const bytes = Buffer.concat(this.#batch);
    this.#batch = [];
    this.#batchBytes = 0;
    return this.#ffmpeg.write(bytes);
  }

  #take(bytes: Buffer): void {
    const whole = this.#odd.length === 0 ? bytes : Buffer.concat([this.#odd, bytes]);
    const samples = samplesOf(whole);
    this.#odd = Buffer.from(whole.subarray(samples.byteLength));
    this.#assign(samples);
  }

  #assign(samples: Int16Array): void {
    let used = 0;
    for (; used < samples.length; ) {
      const frame = this.#pending[this.#head];
      if (frame === undefined) break;
      const count = Math.min(frame.length - frame.done, samples.length - used);
      this.#options.place(frame.position + frame.done, samples.subarray(used, used + count));
      frame.done += count;
      used += count;
      if (frame.done === frame.length) this.#head += 1;
    }
    if (this.#head > 256) {
      this.#pending = this.#pending.slice(this.#head);
      this.#head = 0;
    }
    this.#surplus += samples.length - used;
    if (this.#surplus > TOLERANCE) this.#ffmpeg.fail('ffmpeg gave more sound than it was given');
  }
}

/** The whole samples of little-endian bytes, where they are if that is possible. */
function samplesOf(bytes: Buffer): Int16Array {
  const isAligned = bytes.byteOffset % 2 === 0 && endianness() === 'LE';
  if (isAligned) return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
  return Int16Array.from({ length: bytes.length >> 1 }, (_, at) => bytes.readInt16LE(2 * at));
}

function argumentsOf({ codec, decoder, sampleRate }: DecoderOptions): string[] {
  return [
    ...['-protocol_whitelist', 'pipe', '-probesize', '32', '-analyzeduration', '0'],
    ...[...codec.input, '-c:a', decoder, '-i', 'pipe:0'],
    ...['-map', '0:a:0', '-flush_packets', '1', '-f', 's16le', '-ac', '1', '-ar', `${sampleRate}`, 'pipe:1'],
  ];
}
