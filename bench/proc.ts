// The cost and the haste of making recordings: grec-procd, as a process of its own, with journals and spool written for it.
// What is measured and how stands in README.md.
//
//   node bench/proc.ts [--hours 10] [--seconds 120] [--server-core 0] [--json] [--short]
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { RecordingRow } from '../src/catalog/rows.ts';
import { ProcCalls, type SpooledCall, writeCapture } from './proc-calls.ts';
import { type ProcServer, startProcd } from './proc-server.ts';
import { cpuMs, family, residentMb } from './process-usage.ts';

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '120' },
    'server-core': { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
  },
});
const hours = values.short ? 0.1 : Number(values.hours);
const seconds = values.short ? 6 : Number(values.seconds);

const hasTaskset = spawnSync('taskset', ['--version']).error === undefined;
const core = hasTaskset ? values['server-core'] : undefined;
/** A call that ends while others do. */
const MEASURED = { seconds: 600, everyMs: 3000 };
/** The others: a hundred a minute. */
const OTHERS = { seconds: 60, everyMs: 600 };
const POLL_MS = 5;
const MEMORY_POLL_MS = 50;
const LIMIT_MS = 20 * 60_000;

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const long = await withServer(finishLong);
const listed = await withServer(listWhileOthersEnd);
const sorted = listed.toSorted((one, other) => one - other);
const at = (share: number) =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
const report = {
  x_realtime: Math.round((hours * 3_600_000) / long.cpuMs),
  rss_mb_10h: long.rssMb,
  indexer_mb: long.indexerMb,
  listed_p99_ms: at(0.99),
  hours,
  listed_p50_ms: at(0.5),
  calls_listed: sorted.length,
};
if (values.json) console.log(JSON.stringify(report));
else for (const [name, value] of Object.entries(report)) console.log(`${name.padEnd(14)} ${value}`);

async function withServer<T>(
  work: (server: ProcServer, calls: ProcCalls, scratch: string) => Promise<T>,
): Promise<T> {
  const server = await startProcd(core);
  const { state } = server.config.paths;
  // Beside the spool: a capture gets into it by a link.
  const scratch = join(state, 'scratch');
  mkdirSync(scratch, { recursive: true });
  try {
    return await work(server, new ProcCalls(state), scratch);
  } finally {
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** One call of many hours: what it costs, and the most memory of the daemon with all its children, once it has started; the indexer apart. */
async function finishLong(
  server: ProcServer,
  calls: ProcCalls,
  scratch: string,
): Promise<{ cpuMs: number; rssMb: number; indexerMb: number }> {
  const capture = join(scratch, 'long.pcap');
  writeCapture(capture, hours * 3600);
  const call = calls.begin(capture, hours * 3600);
  rmSync(capture);
  let [rssMb, indexerMb] = [0, 0];
  const look = () => {
    const makers = family(server.pid).filter((pid) => pid !== server.indexer);
    rssMb = Math.max(
      rssMb,
      makers.reduce((sum, pid) => sum + residentOf(pid), 0),
    );
    indexerMb = Math.max(indexerMb, residentOf(server.indexer));
  };
  const timer = setInterval(look, MEMORY_POLL_MS);
  const before = cpuMs([server.pid]);
  try {
    call.hangUp();
    await listedRow(server, call);
    const [rss, indexer] = [rssMb, indexerMb].map((mb) => Math.round(mb * 10) / 10);
    return { cpuMs: cpuMs([server.pid]) - before, rssMb: rss ?? 0, indexerMb: indexer ?? 0 };
  } finally {
    clearInterval(timer);
  }
}

/** 0 for one that has ended meanwhile. */
function residentOf(pid: number): number {
  try {
    return residentMb(pid);
  } catch {
    return 0;
  }
}

/** Milliseconds from the end of each call of ten minutes to its row in the catalog, while a hundred others end each minute. */
async function listWhileOthersEnd(server: ProcServer, calls: ProcCalls, scratch: string): Promise<number[]> {
  const kinds = [MEASURED, OTHERS].map((kind) => ({
    ...kind,
    capture: join(scratch, `${kind.seconds}.pcap`),
  }));
  for (const { capture, seconds: length } of kinds) writeCapture(capture, length);
  const open = kinds.flatMap(({ capture, seconds: length, everyMs }) =>
    Array.from({ length: Math.floor((seconds * 1000) / everyMs) }, (_, index) => ({
      call: calls.begin(capture, length),
      endMs: (index + 0.5) * everyMs,
      isMeasured: length === MEASURED.seconds,
    })),
  );
  const start = performance.now();
  const waits = await Promise.all(
    open.map(async ({ call, endMs, isMeasured }) => {
      await new Promise((resolve) => setTimeout(resolve, start + endMs - performance.now()));
      const ended = performance.now();
      call.hangUp();
      await listedRow(server, call);
      return isMeasured ? [performance.now() - ended] : [];
    }),
  );
  return waits.flat();
}

async function listedRow(server: ProcServer, { recording }: SpooledCall): Promise<RecordingRow> {
  const limit = performance.now() + LIMIT_MS;
  for (;;) {
    const row = server.row(recording);
    if (row?.state === 'complete') return row;
    if (row !== undefined) throw new Error(`${row.state}: ${row.reason}`);
    if (performance.now() > limit) throw new Error('it is not listed');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
