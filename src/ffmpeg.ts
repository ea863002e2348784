// The machine's ffmpeg: which program it is, and which codecs it has. Nothing here is loaded before it is needed.
import { type ChildProcess, execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { messageOf, systemCode } from './errors.ts';

/** How long it may take to tell what it can, in milliseconds. */
const PROBE_TIMEOUT_MS = 30_000;
const LONGEST_LIST_BYTES = 1 << 20;

export interface Ffmpeg {
  program: string;
  /** By ffmpeg's names. */
  decoders: ReadonlySet<string>;
  encoders: ReadonlySet<string>;
}

/** What the machine lacks for the moment: no fault of ffmpeg, and no reason to do without it. */
const PASSING = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM']);

/** What was found, by the configured path: asked once for each process. */
const found = new Map<string, Ffmpeg>();

/**
 * Asks ffmpeg what it can. Rejects with Node's system errors when no process can be started now: try again later.
 * @param configured `[export] ffmpeg`; otherwise the one in PATH, then that of @ffmpeg-installer/ffmpeg
 * @returns or why there is none, in words that follow "no decoder for X: "
 */
export async function findFfmpeg(configured: string | undefined): Promise<Ffmpeg | { problem: string }> {
  const known = found.get(configured ?? '');
  if (known !== undefined) return known;
  const packaged = configured === undefined ? packagedFfmpeg() : undefined;
  let problem = '';
  for (const program of [configured ?? 'ffmpeg', packaged]) {
    if (program === undefined) continue;
    const asked = await ask(program);
    if (!('problem' in asked)) {
      found.set(configured ?? '', asked);
      return asked;
    }
    problem ||= asked.problem;
  }
  return { problem };
}

/** Asks again next time: it may have been removed or replaced. */
export function forgetFfmpeg(): void {
  found.clear();
}

/** The ffmpeg of the npm package @ffmpeg-installer/ffmpeg, when somebody installed it beside grec. */
export function packagedFfmpeg(): string | undefined {
  try {
    const { path } = createRequire(import.meta.url)('@ffmpeg-installer/ffmpeg') as { path?: string };
    return path;
  } catch {
    return undefined;
  }
}

async function ask(program: string): Promise<Ffmpeg | { problem: string }> {
  try {
    const [decoders, encoders] = await Promise.all([list(program, '-decoders'), list(program, '-encoders')]);
    if (decoders.size > 0) return { program, decoders, encoders };
    return { problem: `${program} does not answer as ffmpeg does (set [export] ffmpeg to one that does)` };
  } catch (thrown) {
    const code = systemCode(thrown) ?? '';
    if (PASSING.has(code)) throw thrown;
    const isMissing = code === 'ENOENT';
    if (isMissing && program === 'ffmpeg')
      return { problem: 'ffmpeg is not installed (install it, or set [export] ffmpeg)' };
    const [why] = messageOf(thrown).split('\n');
    return { problem: `cannot run ${program}: ${why} (see [export] ffmpeg)` };
  }
}

/**
 * Makes sure that a process has its streams: without a file descriptor to spare it has none, and says so later.
 * Throws what Node's system errors look like.
 */
export function requireStreams(child: ChildProcess): void {
  if (child.stdin !== undefined) return;
  child.on('error', () => {});
  throw Object.assign(new Error('no file descriptor is left to run ffmpeg'), { code: 'EMFILE' });
}

/** The names in a table such as ` A....D g722   G.722 ADPCM`. */
function list(program: string, table: '-decoders' | '-encoders'): Promise<Set<string>> {
  const options = {
    timeout: PROBE_TIMEOUT_MS,
    maxBuffer: LONGEST_LIST_BYTES,
    killSignal: 'SIGKILL',
  } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(program, ['-hide_banner', table], options, (error, stdout) => {
      if (error) return reject(error);
      resolve(new Set([...stdout.matchAll(/^ A[A-Z.]{5} (\S+)/gm)].map(([, name = '']) => name)));
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end();
  });
}
