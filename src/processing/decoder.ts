// One ffmpeg that decodes consecutive frames of one channel: bytes in, samples out, told apart by counting them.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { endianness } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { requireStreams } from '../ffmpeg.ts';
import type { Codec, FrameStream } from './codecs.ts';

/** Bytes gathered before they go to ffmpeg. */
const BATCH_BYTES = 4096;
/** Samples by which the output may differ from what was expected: the filters of a resampler end so. 10 ms at 8 kHz. */
const TOLERANCE = 80;
const LONGEST_ERROR = 300;

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
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #stream: FrameStream;
  #pending: Pending[] = [];
  #head = 0;
  #batch: Uint8Array[];
  #batchBytes = 0;
  /** Ticks given in, and the samples that they are: rounded as a whole, so that nothing adds up. */
  #ticks = 0;
  #samples = 0;
  #odd: Buffer = Buffer.alloc(0);
  #errors = '';
  #surplus = 0;
  #isClosed = false;
  /** Raised by whatever ffmpeg does, to see that it lives. */
  #moved: () => void = () => {};
  /** Where the frame stands that was given in last. */
  lastPosition = Number.NEGATIVE_INFINITY;
  /** Why it gives no more. */
  problem: string | undefined;

  constructor(options: DecoderOptions) {
    this.#options = options;
    this.#stream = options.codec.createStream();
    this.#batch = [this.#stream.head()];
    this.#child = spawn(options.program, argumentsOf(options), { stdio: ['pipe', 'pipe', 'pipe'] });
    requireStreams(this.#child);
    this.#child.on('error', (error) => this.#fail(`ffmpeg cannot be run: ${error.message}`));
    this.#child.on('close', (code, signal) => {
      this.#isClosed = true;
      if (code !== 0) this.#fail(this.#errors.trim().split('\n')[0] || `ffmpeg ended with ${code ?? signal}`);
      this.#moved();
    });
    // What it does not read any more, it is told of when it ends.
    this.#child.stdin.on('error', () => this.#moved()).on('drain', () => this.#moved());
    this.#child.stdout.on('data', (bytes: Buffer) => this.#take(bytes)).on('error', () => {});
    this.#child.stderr
      .on('error', () => {})
      .on('data', (bytes: Buffer) => {
        if (this.#errors.length < LONGEST_ERROR)
          this.#errors += bytes.toString('latin1').slice(0, LONGEST_ERROR);
      });
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
    if (this.#batchBytes >= BATCH_BYTES) await this.#flush();
  }

  /** Waits until everything before `position` has come out, or ffmpeg has failed. */
  async reach(position: number): Promise<void> {
    this.#write();
    await this.#until(() => this.oldest >= position);
  }

  /** Ends it: all that was given in has come out, or there is a problem. @returns the packets that did not come out */
  async end(): Promise<number> {
    this.#write();
    this.#child.stdin.end();
    await this.#until(() => false);
    const missing = this.#pending.slice(this.#head);
    const samples = missing.reduce((sum, { length, done }) => sum + length - done, 0);
    if (samples <= TOLERANCE && this.problem === undefined) return 0;
    const milliseconds = Math.round((samples * 1000) / this.#options.sampleRate);
    this.problem ??= `ffmpeg gave ${milliseconds} ms less than it was given`;
    return missing.reduce((sum, { packets }) => sum + packets, 0);
  }

  /** Nobody wants its samples any more. */
  kill(): void {
    if (!this.#isClosed) this.#fail('it is not wanted any more');
  }

  async #flush(): Promise<void> {
    if (this.#write()) return;
    await this.#until(() => !this.#child.stdin.writableNeedDrain);
  }

  /** @returns whether ffmpeg takes more */
  #write(): boolean {
    const bytes = Buffer.concat(this.#batch);
    this.#batch = [];
    this.#batchBytes = 0;
    if (this.problem !== undefined || this.#isClosed || bytes.length === 0) return true;
    return this.#child.stdin.write(bytes);
  }

  /** Waits as long as ffmpeg moves. */
  async #until(isReached: () => boolean): Promise<void> {
    while (!this.#isClosed && this.problem === undefined && !isReached()) {
      const hasMoved = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), this.#options.stallMs);
        this.#moved = () => {
          clearTimeout(timer);
          resolve(true);
        };
      });
      this.#moved = () => {};
      if (!hasMoved) this.#fail(`ffmpeg stood still for ${this.#options.stallMs / 1000} s`);
    }
  }

  #fail(problem: string): void {
    this.problem ??= problem.replaceAll(/[^\x20-\x7e]/g, '?');
    this.#child.kill('SIGKILL');
    // A child of its own may hold its output open.
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
    this.#moved();
  }

  #take(bytes: Buffer): void {
    if (this.problem !== undefined) return;
    const whole = this.#odd.length === 0 ? bytes : Buffer.concat([this.#odd, bytes]);
    const samples = samplesOf(whole);
    this.#odd = Buffer.from(whole.subarray(samples.byteLength));
    this.#assign(samples);
    this.#moved();
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
    if (this.#surplus > TOLERANCE) this.#fail('ffmpeg gave more sound than it was given');
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
    ...['-hide_banner', '-nostats', '-v', 'error', '-nostdin', '-threads', '1'],
    ...['-protocol_whitelist', 'pipe', '-probesize', '32', '-analyzeduration', '0'],
    ...[...codec.input, '-c:a', decoder, '-i', 'pipe:0'],
    ...['-map', '0:a:0', '-flush_packets', '1', '-f', 's16le', '-ac', '1', '-ar', `${sampleRate}`, 'pipe:1'],
  ];
}
