// The acceptance of recording at once: sipp, 100 calls of 30 s at 10 calls/s, every channel compared sample by sample.
//
//   node bench/recorded-calls.ts [--calls 100] [--rate 10] [--seconds 30] [--kill-procd]
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Installation } from '../daemons/peers/installation.ts';
import { runRecordedCalls } from '../daemons/peers/recorded-calls.ts';
import { type DaemonsRunning, startDaemons } from '../src/cli/daemons-runner.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '100' },
    rate: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '30' },
    'kill-procd': { type: 'boolean', default: false },
  },
});

const DAEMONS = fileURLToPath(new URL('../daemons', import.meta.url));
const OUTAGE_MS = 5000;
let again: DaemonsRunning | undefined;

const report = await runRecordedCalls({
  calls: Number(values.calls),
  rate: Number(values.rate),
  seconds: Number(values.seconds),
  say: (line) => console.error(`${new Date().toISOString()} ${line}`),
  midway: values['kill-procd'] ? killProcessor : undefined,
});
await again?.stop();

async function killProcessor({ daemons, configFile, log }: Installation): Promise<void> {
  daemons.processes.get('grec-procd')?.kill('SIGKILL');
  await daemons.died;
  console.error(`grec-procd is killed; it starts again in ${OUTAGE_MS / 1000} s`);
  await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
  const onLine = (name: string, line: string) => void log.push(`${name}: ${line}`);
  again = startDaemons({ daemonsDirectory: DAEMONS, configFile, names: ['grec-procd'], onLine });
  await again.ready;
}

const calls = Number(values.calls);
const ok =
  report.status.every((code) => code === 0) &&
  report.recordings === calls &&
  report.exactChannels === calls * 2 &&
  report.worstDurationMs <= 20;
console.log(ok ? 'ok' : 'NOT OK');
process.exitCode = ok ? 0 : 1;
