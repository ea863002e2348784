#!/usr/bin/env node
// grec-mediad: the Media Server. Loads nothing native before the Node that runs it is known to be new enough.
import { fileURLToPath } from 'node:url';
import { runsOnModernNode } from '../src/node-version.ts';

if (await runsOnModernNode(fileURLToPath(import.meta.url))) {
  const [{ runDaemon }, { startMediaServer }] = await Promise.all([
    import('../src/daemon.ts'),
    import('../src/media/media-server.ts'),
  ]);
  await runDaemon('grec-mediad', process.argv.slice(2), startMediaServer);
}
