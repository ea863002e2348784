#!/usr/bin/env node
// grec-procd: the Recording Processor. Loads nothing native before the Node that runs it is known to be new enough.
import { fileURLToPath } from 'node:url';
import { runsOnModernNode } from '../src/node-version.ts';

if (await runsOnModernNode(fileURLToPath(import.meta.url))) {
  const [{ runDaemon }, { startProcessor }, { withIndexer }] = await Promise.all([
    import('../src/daemon.ts'),
    import('../src/processing/processor.ts'),
    import('../src/index/supervise.ts'),
  ]);
  await runDaemon('grec-procd', process.argv.slice(2), (context) => withIndexer(context, startProcessor));
}
