// Running an engine: within a time, a size of memory and a size of what it says, and nothing of it stays.
import { spawn } from 'node:child_process';
import { programEnvironment } from '../config.ts';
import { GrecError } from '../errors.ts';

export interface Limits {
  /** It may take so long, in milliseconds, and so much time of the processor. */
  timeMs: number;
  /** Of its address space, in megabytes. */
  memoryMb: number;
  /** Ends it. */
  signal?: AbortSignal | undefined;
}

const LONGEST_OUTPUT = 64 << 20;
const LONGEST_ERROR = 2000;
/** A shell sets the limits before it becomes the program: they hold also when nobody is left who could end it. */
const SCRIPT = 'ulimit -v "$1" 2>/dev/null; ulimit -t "$2" 2>/dev/null; ulimit -c 0; shift 2; exec "$@"';

/**
 * @param argv the program and its arguments
 * @returns what it writes to its standard output
 * @throws GrecError TRANSCRIBER_FAILED with the reason
 */
export function runLimited(argv: readonly string[], limits: Limits, folder?: string): Promise<Buffer> {
  const { timeMs, memoryMb, signal: stop } = limits;
  const [program = ''] = argv;
  const words = ['-c', SCRIPT, 'sh', `${memoryMb * 1024}`, `${Math.ceil(timeMs / 1000) + 1}`, ...argv];
  return new Promise((resolve, reject) => {
    // A process group of its own, so that its children end with it.
    const child = spawn('/bin/sh', words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      cwd: folder,
      env: programEnvironment(),
    });
    const pieces: Buffer[] = [];
    let [size, said] = [0, ''];
    let problem: string | undefined;
    const end = (why: string) => {
      problem ??= why;
      killGroup(child.pid);
    };
    const onStop = () => end('it was stopped');
    stop?.addEventListener('abort', onStop);
    if (stop?.aborted === true) onStop();
    const timer = setTimeout(() => end(`it took longer than ${Math.round(timeMs / 1000)} s`), timeMs);
    child.stdout.on('data', (bytes: Buffer) => {
      size += bytes.length;
      if (size > LONGEST_OUTPUT) end('it writes without end');
      else pieces.push(bytes);
    });
    child.stderr.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString('utf8')).slice(-LONGEST_ERROR);
    });
    child.once('error', (error) => end(error.message));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      stop?.removeEventListener('abort', onStop);
      killGroup(child.pid);
      if (problem === undefined && code === 0) return resolve(Buffer.concat(pieces));
      const how = problem ?? `${wayOfEnding(code, signal)}${lastLine(said)}`;
      reject(new GrecError('TRANSCRIBER_FAILED', `${program} failed: ${how}`));
    });
  });
}

function wayOfEnding(code: number | null, signal: string | null): string {
  if (signal !== null) return `it was ended by ${signal}`;
  return code === 127 ? 'it is not there' : `it ended with ${code}`;
}

function lastLine(said: string): string {
  const line =
    said
      .trim()
      .split('\n')
      .at(-1)
      ?.replaceAll(/\p{Cc}/gu, ' ')
      .trim() ?? '';
  return line === '' ? '' : `: ${line.slice(-300)}`;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}
