// Hostile spools and journals for a running grec-procd: node bench/fuzz-spool.ts --seed 1 --rounds 2000 --each 5. Exit status 1 when anything gave way.
import { parseArgs } from 'node:util';
import { besiegeSpool } from '../daemons/peers/spool-siege.ts';

const GROWTH_ALLOWED_MB = 60;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '2000' },
    each: { type: 'string', default: '5' },
  },
});
const report = await besiegeSpool({
  seed: Number(values.seed),
  rounds: Number(values.rounds),
  each: Number(values.each),
  say: (line) => console.error(line),
});
console.log(JSON.stringify(report, undefined, 2));
const growth = report.memoryMb.most - report.memoryMb.early;
const faults = [...report.faults, ...(growth > GROWTH_ALLOWED_MB ? [`grec-procd grew by ${growth} MB`] : [])];
for (const fault of faults) console.error(`FAULT: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;
