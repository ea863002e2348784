// kill -9 of grec-mediad and of its relay workers at random instants, again and again, under load: where has every packet gone?
//
//   node bench/kill-mediad.ts [--seed N] [--kills 200] [--calls 6] [--engine auto] [--grace MS]
import { parseArgs } from 'node:util';
import { killMediaServer } from '../daemons/peers/kill-mediad.ts';
import { anySeed } from '../daemons/peers/outages.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    kills: { type: 'string', default: '200' },
    calls: { type: 'string', default: '6' },
    engine: { type: 'string', default: 'auto' },
    grace: { type: 'string', default: '300' },
  },
});

const report = await killMediaServer({
  kills: Number(values.kills),
  seed: Number(values.seed ?? anySeed()),
  calls: Number(values.calls),
  engine: values.engine,
  graceMs: Number(values.grace),
});
console.log(JSON.stringify(report, undefined, 2));
const isAccounted =
  report.problems.length === 0 &&
  report.dropped.length === 0 &&
  report.leftovers.length === 0 &&
  report.recordings['partial'] === report.calls;
console.error(isAccounted ? 'ok' : 'NOT OK');
process.exitCode = isAccounted ? 0 : 1;
