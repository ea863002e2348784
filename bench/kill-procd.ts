// kill -9 of grec-procd at random instants, again and again, while recorded calls run and finish.
//
//   node bench/kill-procd.ts [--seed N] [--rounds 30]
import { parseArgs } from 'node:util';
import { killProcessor } from '../daemons/peers/kill-procd.ts';
import { anySeed } from '../daemons/peers/outages.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, rounds: { type: 'string', default: '30' } },
});

const rounds = Number(values.rounds);
const calls = Math.max(20, rounds * 4);
const report = await killProcessor(rounds, Number(values.seed ?? anySeed()), calls);
console.log(JSON.stringify(report, undefined, 2));
const ok =
  report.recordings === calls &&
  report.complete === calls &&
  report.archived === calls &&
  report.exactChannels === calls * 2 &&
  report.leftovers.length === 0 &&
  report.unverified.length === 0 &&
  report.alarms === 0;
console.log(ok ? 'ok' : 'NOT OK');
process.exitCode = ok ? 0 : 1;
