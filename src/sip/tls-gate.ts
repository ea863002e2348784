// Between a TCP connection and its TLS: hands on ciphertext in small portions, while the turn of the event loop has time.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Turns } from './turns.ts';

/**
 * Bytes. A record may hold one byte (RFC 8446 section 5.1), and each costs ten microseconds and more: what one read of the
 * kernel's brings is thousands of them, which TLS decrypts in one go. A portion is ninety at most.
 */
const PORTION = 2048;

type Done = (error?: Error | null) => void;

export class TlsGate extends Duplex {
  /** What is decrypted from it, once that is known. */
  secure: TLSSocket | undefined;
  readonly #raw: Socket;
  readonly #turns: Turns;
  /** Read and not handed on. */
  #held: Buffer | undefined;
  #hasEnded = false;
  #isWanted = true;
  #isWaiting = false;

  /** @param raw allows half-open connections: TLS ends its own half when it has said so (RFC 8446 section 6.1) */
  constructor(raw: Socket, turns: Turns) {
    // As it is, so TLS will be: it ends when its peer ends.
    super({ readableHighWaterMark: PORTION, allowHalfOpen: false });
    this.#raw = raw;
    this.#turns = turns;
    raw.on('data', (chunk: Buffer) => this.#receive(chunk));
    raw.once('end', () => this.#end());
    raw.on('error', (error) => this.destroy(error));
    raw.once('close', () => this.destroy());
  }

  #receive(chunk: Buffer): void {
    this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    if (!this.#isWaiting) this.#handOn();
  }

  #end(): void {
    this.#hasEnded = true;
    if (!this.#isWaiting) this.#handOn();
  }

  /** Portion after portion while this turn lasts, and what has been decrypted is taken; the rest waits for the next. */
  #handOn(): void {
    this.#isWaiting = false;
    while (this.#held !== undefined && !this.destroyed) {
      if (!this.#isWanted) return void this.#raw.pause();
      if (this.#turns.isOver || this.#isUntaken) return this.#wait();
      const portion = this.#held.subarray(0, PORTION);
      this.#held = this.#held.length > PORTION ? this.#held.subarray(PORTION) : undefined;
      this.#isWanted = this.push(portion);
    }
    if (this.destroyed) return;
    if (this.#hasEnded) this.#tellEnd();
    else this.#raw.resume();
  }

  #tellEnd(): void {
    // TLS has its own last word yet.
    this.allowHalfOpen = true;
    this.push(null);
  }

  get #isUntaken(): boolean {
    return this.secure !== undefined && this.secure.readableLength > 0;
  }

  #wait(): void {
    this.#isWaiting = true;
    this.#raw.pause();
    this.#turns.later(() => this.#handOn());
  }

  override _read(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    if (!this.#isWaiting) this.#wait();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#raw.write(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#raw.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  /** Done when all that was written has gone out. */
  override _final(done: Done): void {
    this.#raw.end(() => done());
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#held = undefined;
    this.#raw.destroy();
    done(error);
  }
}
