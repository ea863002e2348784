// Where a daemon's log goes: standard error, which may be full, broken, or read by nobody, and holds up nothing then.
import { write, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { systemCode } from './errors.ts';

const STANDARD_ERROR = 2;
/** Bytes; lines beyond it are lost. */
const MOST_WAITING = 1 << 20;
/** A pipe that takes nothing now is tried again, in milliseconds. */
const RETRY_MS = 50;
/** A write that has not come back within this has a reader that does not read. */
const STUCK_MS = 200;

/** Lines are written in order by a thread of the pool; what waits when the process ends is written then. */
export class LogDestination extends Writable {
  #waiting: Buffer[] = [];
  #size = 0;
  #turn: NodeJS.Immediate | undefined;
  /** Since when a write has been under way. */
  #writingSince: number | undefined;

  constructor() {
    super({ decodeStrings: true });
    process.on('exit', () => this.#writeLast());
  }

  override _write(line: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#size + line.length <= MOST_WAITING) {
      this.#waiting.push(line);
      this.#size += line.length;
      // Not at once: what a process says before it ends has to wait where it can still be written.
      if (this.#writingSince === undefined) this.#turn ??= setImmediate(() => this.#writeNext());
    }
    done();
  }

  #writeNext(): void {
    this.#turn = undefined;
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#size = 0;
    this.#writingSince = undefined;
    if (bytes.length > 0) this.#writeOut(bytes);
  }

  #writeOut(bytes: Buffer): void {
    this.#writingSince = performance.now();
    this.#size += bytes.length;
    write(STANDARD_ERROR, bytes, (error, written) => {
      this.#size -= bytes.length;
      if (systemCode(error) === 'EAGAIN') setTimeout(() => this.#writeOut(bytes), RETRY_MS);
      // Anything else will not be better for these lines.
      else if (error !== null || written === bytes.length) this.#writeNext();
      else this.#writeOut(bytes.subarray(written));
    });
  }

  #writeLast(): void {
    const isStuck = this.#writingSince !== undefined && performance.now() - this.#writingSince > STUCK_MS;
    if (isStuck || this.#waiting.length === 0) return;
    try {
      writeSync(STANDARD_ERROR, Buffer.concat(this.#waiting));
    } catch {
      // There is nobody left to tell.
    }
  }
}
