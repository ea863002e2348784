// Hostile SIP in quantity: node bench/fuzz-sip.ts --seed 1 --datagrams 200000 --streams 20000. Exit status 1 when anything went wrong.
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type FuzzReport, fuzz } from '../src/sip/fuzz-run.ts';

const SLOWEST_ALLOWED_MS = 5;
const GROWTH_ALLOWED = 4 * 1024 * 1024;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    datagrams: { type: 'string', default: '200000' },
    streams: { type: 'string', default: '20000' },
  },
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapUsed(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function corpus(): Buffer[] {
  const folder = new URL('../src/sip/fixtures/torture/', import.meta.url);
  return readdirSync(folder).map((file) => readFileSync(new URL(file, folder)));
}

/** Leaves what failed in files, for a test to be made of it. */
function keep({ failures, slowest }: FuzzReport): string {
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-sip-'));
  failures.slice(0, 20).forEach(({ what, bytes }, index) => {
    writeFileSync(join(folder, `failure-${index}.dat`), bytes);
    console.log(`failure-${index}: ${what}`);
  });
  writeFileSync(join(folder, 'slowest.dat'), slowest.bytes);
  return folder;
}

const options = {
  seed: Number(values.seed),
  datagrams: Number(values.datagrams),
  streams: Number(values.streams),
};
const start = performance.now();
const report = fuzz({ ...options, corpus: corpus(), now: () => performance.now(), heapUsed });
const { accepted, refused, answerable, failures, slowest, heapGrowth } = report;
console.log(
  `seed ${options.seed}: ${options.datagrams} datagrams, ${options.streams} streams, ${((performance.now() - start) / 1000).toFixed(1)} s`,
);
console.log(
  `accepted ${accepted}, refused ${refused} (${answerable} answerable), failures ${failures.length}`,
);
console.log(
  `slowest decode ${slowest.milliseconds.toFixed(3)} ms (${slowest.bytes.length} bytes), heap growth ${(heapGrowth / 1024).toFixed(0)} KiB`,
);
if (failures.length > 0 || slowest.milliseconds >= SLOWEST_ALLOWED_MS || heapGrowth >= GROWTH_ALLOWED) {
  console.log(`kept in ${keep(report)}`);
  process.exitCode = 1;
}
