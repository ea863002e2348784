// The launcher's check: a Node that is too old hands over to the checkout's own before anything native is loaded.
// It must run on every Node that has ES modules, so it uses nothing newer than Node 14.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The oldest Node that better-sqlite3 and commander run on; the first older one crashes the second. */
const LEAST: readonly [number, number] = [22, 12];
const PASSED_ON: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

/**
 * Whether this process may go on. When its Node is too old, the program is run again under the npm package `node`
 * found above it, with the same arguments, streams, signals and exit status; without one, a line says what to install.
 * @param program the file of the running program
 */
export async function runsOnModernNode(program: string): Promise<boolean> {
  if (isModern(process.versions.node)) return true;
  const node = findNode(dirname(program));
  if (node === undefined) {
    process.stderr.write(
      `grec needs Node ${LEAST.join('.')} or newer and this is ${process.versions.node}: ` +
        'install Node 24 (https://nodejs.org), or `npm install node` beside grec\n',
    );
    process.exitCode = 1;
    return false;
  }
  await runUnder(node, program);
  return false;
}

/** @param version such as `22.12.0` */
export function isModern(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
}

/** The binary of the npm package `node` in the nearest `node_modules` at or above `folder`. */
export function findNode(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const node = join(at, 'node_modules', 'node', 'bin', 'node');
    if (existsSync(node)) return node;
    if (dirname(at) === at) return undefined;
  }
}

function runUnder(node: string, program: string): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
    const passOn = (signal: NodeJS.Signals) => child.kill(signal);
    for (const signal of PASSED_ON) process.on(signal, passOn);
    child.on('error', (error) => {
      process.stderr.write(`grec: cannot run ${node}: ${error.message}\n`);
      process.exitCode = 1;
      resolve();
    });
    child.on('exit', (code, signal) => {
      for (const passed of PASSED_ON) process.off(passed, passOn);
      if (signal === null) process.exitCode = code ?? 1;
      else process.kill(process.pid, signal);
      resolve();
    });
  });
}
