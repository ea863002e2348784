#!/usr/bin/env node
// The command `grec`: argv and exit code only.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runsOnModernNode } from '../src/node-version.ts';

const program = fileURLToPath(import.meta.url);
if (await runsOnModernNode(program)) {
  const { runCli } = await import('../src/cli/cli.ts');
  process.exitCode = await runCli(process.argv.slice(2), {
    daemonsDirectory: join(dirname(program), '..', 'daemons'),
  });
}
