#!/usr/bin/env node
// grec-webd: Web Services. Loads nothing native before the Node that runs it is known to be new enough.
import { fileURLToPath } from 'node:url';
import { runsOnModernNode } from '../src/node-version.ts';

if (await runsOnModernNode(fileURLToPath(import.meta.url))) {
  const [{ runDaemon }, { startWeb }] = await Promise.all([
    import('../src/daemon.ts'),
    import('../src/web/web.ts'),
  ]);
  await runDaemon('grec-webd', process.argv.slice(2), startWeb);
}
