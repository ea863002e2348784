#!/usr/bin/env node
// grec-sipd: the SIP Server.
import { runDaemon } from '../src/daemon.ts';
import { startSwitch } from '../src/switch/switch.ts';

await runDaemon('grec-sipd', process.argv.slice(2), startSwitch);
