// Hundreds of conversations over bad networks, each of which becomes what a seed says, while grec-procd is killed and the archive's disk is full.
//
//   node bench/conversations.ts [--seed N] [--calls 500] [--kills 50] [--full 2] [--desks 24] [--long 5] [--only N]
import { parseArgs } from 'node:util';
import { isClean } from '../daemons/peers/conversations-report.ts';
import { playMany } from '../daemons/peers/many-conversations.ts';
import { anySeed } from '../daemons/peers/outages.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    calls: { type: 'string', default: '500' },
    kills: { type: 'string', default: '50' },
    full: { type: 'string', default: '2' },
    desks: { type: 'string', default: '24' },
    long: { type: 'string', default: '5' },
    only: { type: 'string' },
  },
});

const full = Number(values.full);
const report = await playMany({
  seed: Number(values.seed ?? anySeed()),
  calls: Number(values.calls),
  kills: Number(values.kills),
  full,
  desks: Number(values.desks),
  long: Number(values.long),
  only: values.only === undefined ? undefined : Number(values.only),
  ...(full === 0 ? {} : { disk: '600m' }),
  say: (line) => process.stderr.write(`${line}\n`),
});
console.log(JSON.stringify(report, undefined, 2));
const ok = isClean(report);
console.log(ok ? 'ok' : 'NOT OK');
process.exitCode = ok ? 0 : 1;
