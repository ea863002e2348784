// `grec version`: what to quote in a report of a fault.
import { arch, platform, release } from 'node:os';
import { VERSION } from '../version.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';

export async function version(context: CliContext): Promise<number> {
  const system = `${platform()} ${release()} ${arch()}`;
  if (context.json) context.printJson({ grec: VERSION, node: process.versions.node, system });
  else context.print(`grec ${VERSION}`, `node ${process.versions.node}`, system);
  return EXIT.ok;
}
