// A backlog: short calls whose segments wait for a processor that was away. What a recording costs must not depend on how many wait.
//
//   node bench/backlog.ts [--few 250] [--many 2500] [--json]
//
// Exit status 1 when one of many takes more than half as much again as one of few.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config.ts';
import { silentLogger } from '../src/log.ts';
import {
  callBegins,
  callEnds,
  captureOf,
  FakeState,
  metadataOf,
  T0,
  talk,
} from '../src/processing/fixtures/segments.ts';
import { startProcessor } from '../src/processing/processor.ts';

const MOST_RATIO = 1.5;
/** Of each call, microseconds. */
const APART = 1000;
const LENGTH = 1_100_000;
const POLL_MS = 50;

const { values } = parseArgs({
  options: {
    few: { type: 'string', default: '250' },
    many: { type: 'string', default: '2500' },
    json: { type: 'boolean', default: false },
  },
});

interface Worked {
  calls: number;
  /** Of the whole process, its threads included. */
  cpuMsEach: number;
  msEach: number;
  perSecond: number;
}

const both = captureOf([...talk({ label: 'a' }), ...talk({ label: 'b' })]);

function leave(state: FakeState, calls: number): void {
  for (let index = 0; index < calls; index += 1) {
    const number = index.toString(16).padStart(8, '0');
    const call = `019aa000-0000-7000-8000-0001${number}`;
    const recording = `019aa000-0000-7000-8000-0002${number}`;
    const begin = T0 + index * APART;
    state.append('grec-sipd', begin, ...callBegins(call, recording));
    const facts = { metadata: metadataOf(recording, call), closed: { at: begin + LENGTH } };
    state.writeSegment(`seg-${number}`, facts, both);
    state.append('grec-sipd', begin + LENGTH, ...callEnds(call, recording));
  }
}

async function work(calls: number): Promise<Worked> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-backlog-'));
  try {
    const file = join(directory, 'grec.toml');
    writeFileSync(file, 'state.directory = "state"\n');
    const config = loadConfig({ file, env: {} });
    leave(new FakeState(config.paths.state), calls);
    const [start, before] = [performance.now(), process.cpuUsage()];
    const daemon = await startProcessor({ config, log: silentLogger() });
    const status = () => daemon.status() as { recordings: number };
    while (status().recordings < calls) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const [ms, { user, system }] = [performance.now() - start, process.cpuUsage(before)];
    await daemon.stop();
    const perSecond = (calls * 1000) / ms;
    return { calls, cpuMsEach: (user + system) / 1000 / calls, msEach: ms / calls, perSecond };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

await work(50);
const rows = [await work(Number(values.few)), await work(Number(values.many))];
const [few, many] = rows;
const ratio = (many?.cpuMsEach ?? 0) / (few?.cpuMsEach ?? 1);
if (values.json) console.log(JSON.stringify({ rows, ratio }));
else {
  console.table(rows);
  console.log(`one of many takes ${ratio.toFixed(2)} times the processor time of one of few`);
}
process.exitCode = ratio <= MOST_RATIO ? 0 : 1;
