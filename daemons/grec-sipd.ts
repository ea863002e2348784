#!/usr/bin/env node
// grec-sipd: the SIP Server. Loads nothing native before the Node that runs it is known to be new enough.
import { fileURLToPath } from 'node:url';
import { runsOnModernNode } from '../src/node-version.ts';

if (await runsOnModernNode(fileURLToPath(import.meta.url))) {
  const [{ runDaemon }, { startSwitch }] = await Promise.all([
    import('../src/daemon.ts'),
    import('../src/switch/start-switch.ts'),
  ]);
  await runDaemon('grec-sipd', process.argv.slice(2), startSwitch);
}
