#!/usr/bin/env node
// grec-procd: the Recording Processor.
import { runDaemon } from '../src/daemon.ts';
import { startProcessor } from '../src/processing/processor.ts';

await runDaemon('grec-procd', process.argv.slice(2), startProcessor);
