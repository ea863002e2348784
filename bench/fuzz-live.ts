// A siege of running daemons: node bench/fuzz-live.ts --seed 1 --udp 400000 --tcp 300000 --tls 300000. Exit status 1 when anything gave way.
import { parseArgs } from 'node:util';
import { besiege, type StallTold } from '../daemons/peers/siege.ts';

const STALL_ALLOWED_MS = 20;
const GROWTH_ALLOWED_MB = 40;
/** Messages by each protocol, ng among them, before the count begins: by then the heaps have the size that a siege gives them. */
const WARM_UP = 30_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    udp: { type: 'string', default: '400000' },
    tcp: { type: 'string', default: '300000' },
    tls: { type: 'string', default: '300000' },
    calls: { type: 'string', default: '1000' },
    ng: { type: 'string', default: '200000' },
    'rtp-rate': { type: 'string', default: '20000' },
    'rtp-seconds': { type: 'string', default: '10' },
  },
});

const report = await besiege({
  seed: Number(values.seed),
  sip: {
    udp: Number(values.udp),
    tcp: Number(values.tcp),
    tls: Number(values.tls),
    calls: Number(values.calls),
  },
  ng: { datagrams: Number(values.ng) },
  rtp: { packetsPerSecond: Number(values['rtp-rate']), seconds: Number(values['rtp-seconds']) },
  warmUp: WARM_UP,
  settles: true,
  say: (line) => console.error(line),
});
console.log(JSON.stringify(report, undefined, 2));

// What an idle process suffers at the same time, the machine does to all.
const machine = Math.max(0, ...(report.stalls['control'] ?? []).map(({ ms }) => ms));
console.error(`a process that did nothing stood still for ${machine} ms at the longest`);

/** It computed for too long, or waited for too long where nothing but itself can have kept it. */
function isOwnFault({ ms, cpuMs }: StallTold): boolean {
  return Math.min(ms, cpuMs) > STALL_ALLOWED_MS || ms - cpuMs > Math.max(STALL_ALLOWED_MS, machine);
}

const faults = [
  ...report.differences,
  ...report.problems,
  ...Object.entries(report.stalls).flatMap(([name, stalls]) =>
    stalls
      .filter((stall) => name !== 'control' && isOwnFault(stall))
      .map(
        ({ atS, ms, cpuMs, gcMs }) =>
          `${name} stood still for ${ms} ms after ${atS} s (computing ${cpuMs}, collection ${gcMs})`,
      ),
  ),
  ...Object.entries(report.memoryMb)
    .filter(([, { before, after }]) => after - before > GROWTH_ALLOWED_MB)
    .map(([name, { before, after }]) => `${name} grew from ${before} to ${after} MB`),
  ...(report.left.calls > 0 ? [`${report.left.calls} calls are left`] : []),
  ...(report.strangersHeard > 0 ? ['a phone heard a stranger'] : []),
  ...(report.lostPings > 0 ? [`${report.lostPings} pings were not answered`] : []),
];
for (const fault of faults) console.error(`FAULT: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;
