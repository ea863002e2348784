// One running ffmpeg that is fed through a pipe: why it failed, and whether it still moves.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { requireStreams } from '../ffmpeg.ts';

const LONGEST_ERROR = 300;

export interface FfmpegOptions {
  program: string;
  /** After those that keep it quiet, and to one thread. */
  args: readonly string[];
  /** How long it may stand still, in milliseconds, before it is ended. */
  stallMs: number;
  /** Its subject in what is said of it. */
  called: 'ffmpeg' | 'it';
  /** Takes what it writes to its standard output; nobody does when left out. */
  take?: (bytes: Buffer) => void;
}

type Child = ChildProcess & { stdin: Writable; stdout: Readable | null; stderr: Readable };

export class FfmpegProcess {
  readonly #options: FfmpegOptions;
  readonly #child: Child;
  #errors = '';
  /** Raised by whatever it does, to see that it lives. */
  #moved: () => void = () => {};
  isClosed = false;
  /** Why it gives no more: in its own words, if it had any. */
  problem: string | undefined;

  /** Throws Node's system errors when no file descriptor is left to run it. */
  constructor(options: FfmpegOptions) {
    const { program, args, called, take } = options;
    this.#options = options;
    const quiet = ['-hide_banner', '-nostats', '-v', 'error', '-nostdin', '-threads', '1'];
    const stdio = ['pipe', take === undefined ? 'ignore' : 'pipe', 'pipe'] as const;
    this.#child = spawn(program, [...quiet, ...args], { stdio: [...stdio] }) as Child;
    requireStreams(this.#child);
    this.#child.on('error', (error) => this.fail(`${called} cannot be run: ${error.message}`));
    this.#child.on('close', (code, signal) => {
      this.isClosed = true;
      if (code !== 0)
        this.fail(this.#errors.trim().split('\n')[0] || `${called} ended with ${code ?? signal}`);
      this.#moved();
    });
    // What it does not read any more, it is told of when it ends.
    this.#child.stdin.on('error', () => this.#moved()).on('drain', () => this.#moved());
    this.#child.stderr.on('error', () => {}).on('data', (bytes: Buffer) => this.#note(bytes));
    this.#child.stdout
      ?.on('error', () => {})
      .on('data', (bytes: Buffer) => {
        if (this.problem !== undefined) return;
        take?.(bytes);
        this.#moved();
      });
  }

  #note(bytes: Buffer): void {
    if (this.#errors.length < LONGEST_ERROR) this.#errors += bytes.toString('latin1').slice(0, LONGEST_ERROR);
  }

  /** Gives bytes in, which must stay as they are. @returns whether it takes more now; true when it takes nothing any more */
  write(bytes: Uint8Array): boolean {
    if (this.problem !== undefined || this.isClosed || bytes.length === 0) return true;
    return this.#child.stdin.write(bytes);
  }

  /** Waits until it takes more, or has failed. */
  async drained(): Promise<void> {
    await this.until(() => !this.#child.stdin.writableNeedDrain);
  }

  /** No more comes: waits until it has ended, or failed. */
  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.until(() => false);
  }

  /** Waits as long as it moves: until this is so, or it has ended or failed. */
  async until(isReached: () => boolean): Promise<void> {
    const { stallMs, called } = this.#options;
    while (!this.isClosed && this.problem === undefined && !isReached()) {
      const hasMoved = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), stallMs);
        this.#moved = () => {
          clearTimeout(timer);
          resolve(true);
        };
      });
      this.#moved = () => {};
      if (!hasMoved) this.fail(`${called} stood still for ${stallMs / 1000} s`);
    }
  }

  /** Ends it. The first reason stays. */
  fail(problem: string): void {
    this.problem ??= problem.replaceAll(/[^\x20-\x7e]/g, '?');
    this.#child.kill('SIGKILL');
    // A child of its own may hold them open.
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream?.destroy();
    this.#moved();
  }

  /** Nobody wants what it does any more. */
  kill(): void {
    if (!this.isClosed) this.fail('it is not wanted any more');
  }
}
