// The cost of signalling: sipp calls sipp through grec-sipd, INVITE to BYE with a hold of 1 s, over UDP and without media; and
// the same load through Kamailio as a stateful proxy, in turn with it. What is measured and how stands in README.md.
//
//   node bench/sip.ts [--rate 1000] [--seconds 60] [--rounds 3] [--server-core 0] [--load-core 1] [--json] [--short]
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { freePort } from '../daemons/peers/installation.ts';
import { noSipp } from '../daemons/peers/sipp.ts';
import { cpuMs, residentMb } from './process-usage.ts';
import { CALLEE, CALLER, type LoadResult, NUMBER, PASSWORD, registerAt, runLoad } from './sip-load.ts';
import { type GrecServer, type SipServer, startGrec, startKamailio } from './sip-servers.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '60' },
    rounds: { type: 'string', default: '3' },
    'server-core': { type: 'string', default: '0' },
    'load-core': { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
  },
});

const HOLD_MS = 1000;
const WARM_UP = { rate: 300, seconds: 10 };
const ROUND_S = 6;
const SEARCH = { first: 400, factor: 1.15, last: 4000, seconds: 4, tries: 2 };
/** sipp must have placed at least this part of the calls a second that it was asked for. */
const LEAST_RATE = 0.95;
const SAMPLE_MS = 500;
const OPEN = { rate: 250, seconds: 12, holdMs: 15_000 };

const hasTaskset = spawnSync('taskset', ['--version']).error === undefined;
const serverCore = hasTaskset ? values['server-core'] : undefined;
const loadCore = hasTaskset ? values['load-core'] : undefined;
const hasKamailio = spawnSync('kamailio', ['-v']).error === undefined;

interface Measured extends LoadResult {
  cpuMsPerCall: number;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
if (noSipp) throw new Error(`${noSipp}: apt-get install sip-tester`);
const callee = { host: CALLEE, port: await freePort(CALLEE) };
const grec = await startGrec({ trunk: CALLER, cores: serverCore, nodeOptions: [] });
const kamailio = hasKamailio ? await startKamailio({ callee, cores: serverCore }) : undefined;
try {
  await grec.addDn(NUMBER, PASSWORD);
  await registerAt(grec.address, callee);
  if (values.short) await runShort(grec);
  else await runWhole(grec, kamailio);
} finally {
  await Promise.all([grec.stop(), kamailio?.stop()]);
}

/** That it runs and that no call fails: no figure is judged. */
async function runShort(server: GrecServer): Promise<void> {
  const result = await measure(server, 50, 3);
  say(`${result.calls} calls, ${result.failed} failed, ${result.cpuMsPerCall.toFixed(2)} ms CPU per call`);
  process.exitCode = result.failed === 0 ? 0 : 1;
}

async function runWhole(server: GrecServer, peer: SipServer | undefined): Promise<void> {
  const open = await memoryOfOpenCalls(server);
  await measure(server, WARM_UP.rate, WARM_UP.seconds);
  const clean = await searchCleanRate(server);
  const rate = Math.min(Number(values.rate), clean);
  const { long, mb } = await runLong(server, rate);
  const rounds = await interleave(server, peer, rate);
  const ours = [long, ...rounds.ours];
  const report = {
    cps_clean: clean,
    cpu_ms_per_call: median(ours.map(({ cpuMsPerCall }) => cpuMsPerCall)),
    retransmissions: sum(ours.map(({ retransmissions }) => retransmissions)),
    failed: sum(ours.map(({ failed }) => failed)),
    rss_mb: mb.last,
    kamailio_cpu_ms_per_call: median(rounds.theirs.map(({ cpuMsPerCall }) => cpuMsPerCall)),
    rate,
    rss_mb_earlier: mb.earlier,
    kb_per_open_call: open,
  };
  console.log(values.json ? JSON.stringify(report) : shown(report));
}

/** The highest rate at which no message had to be sent again; each rate gets a second try, for others use this machine too. */
async function searchCleanRate(server: SipServer): Promise<number> {
  const { first, factor, last, seconds, tries } = SEARCH;
  let clean = 0;
  for (let rate = first; rate <= last; rate = Math.round((rate * factor) / 10) * 10) {
    let isClean = false;
    for (let left = tries; left > 0 && !isClean; left--)
      isClean = wasClean(rate, await measure(server, rate, seconds));
    if (!isClean) break;
    clean = rate;
  }
  return clean;
}

function wasClean(asked: number, { rate, failed, retransmissions }: LoadResult): boolean {
  return failed === 0 && retransmissions === 0 && rate >= asked * LEAST_RATE;
}

async function measure(server: SipServer, rate: number, seconds: number): Promise<Measured> {
  const before = cpuMs(server.pids);
  const options = { server: server.address, callee, rate, seconds, holdMs: HOLD_MS, cores: loadCore };
  const result = await runLoad(options);
  const measured = { ...result, cpuMsPerCall: (cpuMs(server.pids) - before) / result.calls };
  const { failed, retransmissions, cpuMsPerCall } = measured;
  say(
    `${server.name}: ${rate}/s for ${seconds} s: ${cpuMsPerCall.toFixed(3)} ms CPU per call, ` +
      `${retransmissions} retransmissions, ${failed} failed, ${result.rate}/s placed, ${residentMb(server.pids[0] ?? 0)} MB`,
  );
  return measured;
}

/** Long enough for the transactions of its first calls to have ended by half-time (64*T1 is 32 s). */
async function runLong(
  server: SipServer,
  rate: number,
): Promise<{ long: Measured; mb: { earlier: number; last: number } }> {
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(residentMb(server.pids[0] ?? 0)), SAMPLE_MS);
  try {
    const long = await measure(server, rate, Number(values.seconds));
    const at = (part: number) => Math.floor(samples.length * part);
    return {
      long,
      mb: { earlier: median(samples.slice(at(0.6), at(0.8))), last: median(samples.slice(at(0.8))) },
    };
  } finally {
    clearInterval(timer);
  }
}

async function interleave(server: SipServer, peer: SipServer | undefined, rate: number) {
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    if (peer !== undefined) theirs.push(await measure(peer, rate, ROUND_S));
    ours.push(await measure(server, rate, ROUND_S));
  }
  return { ours, theirs };
}

/** Kilobytes of heap and buffers for each call that is up, some garbage included: from before the first call to the most at once. */
async function memoryOfOpenCalls(server: GrecServer): Promise<number> {
  const before = await server.status();
  let most = { calls: 0, mb: 0 };
  const timer = setInterval(async () => {
    const { calls, memory } = await server.status().catch(() => before);
    if (calls > most.calls) most = { calls, mb: memory.heap + memory.external };
  }, SAMPLE_MS);
  try {
    await runLoad({ server: server.address, callee, cores: loadCore, ...OPEN });
  } finally {
    clearInterval(timer);
  }
  const idleMb = before.memory.heap + before.memory.external;
  return Math.round(((most.mb - idleMb) * 1000) / most.calls);
}

function shown(report: Record<string, number>): string {
  return Object.entries(report)
    .map(([name, value]) => `${name.padEnd(26)} ${Number.isInteger(value) ? value : value.toFixed(3)}`)
    .join('\n');
}

function say(line: string): void {
  console.error(line);
}

/** NaN, which JSON writes as null, for none. */
function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
