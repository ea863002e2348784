// Starts the load generator and hears what it says; it is a process of its own, see rtp-load.ts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Placement, placed } from './placed.ts';
import type { LoadLine, LoadPlan, PhaseResult } from './rtp-load-words.ts';

export interface Load {
  /** The port of every party. */
  readonly port: number;
  /**
   * Sends and hears as planned.
   * @param onPhase told when the phase of that number begins, and once more, with the number after the last, when all is sent
   */
  run(plan: LoadPlan, onPhase: (phase: number) => void): Promise<LoadOutcome>;
  stop(): void;
}

export interface LoadOutcome {
  phases: PhaseResult[];
  /** What the generator itself has used. */
  cpuMs: number;
}

export async function startLoad(placement: Placement): Promise<Load> {
  const program = fileURLToPath(new URL('./rtp-load.ts', import.meta.url));
  const [command = '', ...rest] = placed([process.execPath, program], placement);
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'exit').then(() => process.off('exit', kill));
  let listener = (_line: LoadLine) => {};
  const hear = (wanted: (line: LoadLine) => void) => {
    listener = wanted;
  };
  createInterface({ input: child.stdout }).on('line', (line) => listener(JSON.parse(line) as LoadLine));
  const failed = ended.then(() => Promise.reject(new Error('the load generator has ended')));
  failed.catch(() => undefined);
  const named = new Promise<number>((resolve) =>
    hear((line) => {
      if ('port' in line) resolve(line.port);
    }),
  );
  return {
    port: await Promise.race([named, failed]),
    run: (plan, onPhase) => {
      const done = new Promise<LoadOutcome>((resolve) =>
        hear((line) => {
          if ('begins' in line) onPhase(line.begins);
          if ('results' in line) resolve({ phases: line.results, cpuMs: line.cpuMs });
        }),
      );
      child.stdin.end(`${JSON.stringify(plan)}\n`);
      return Promise.race([done, failed]);
    },
    stop: kill,
  };
}
