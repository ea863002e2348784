#!/usr/bin/env node
// grec-mediad: the media server as a process.
import { runDaemon } from '../src/daemon.ts';
import { startMediaServer } from '../src/media/media-server.ts';

await runDaemon('grec-mediad', process.argv.slice(2), (context) => startMediaServer(context));
