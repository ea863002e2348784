// Memory over many successive recorded calls: each daemon's resident size must not grow.
//
//   node bench/memory.ts [--calls 2000] [--rate 20] [--json]
//
// As many calls again come before, as warm-up: V8 sizes its heap, and SIP keeps each transaction for 32 s. Flat means that the
// median of the second half of the calls is at most 5 % and 4 MB above that of their first half.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort, type Installation, install } from '../daemons/peers/installation.ts';
import { runSipp } from '../daemons/peers/sipp.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '2000' },
    rate: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
});
/** With those of the warm-up. */
const calls = Number(values.calls) * 2;
const rate = Number(values.rate);

const TRUNK = '127.0.0.2';
const DESK = '127.0.0.3';
const CALL_MS = 500;
const SAMPLE_MS = 500;
const TOLERANCE = { ratio: 1.05, mb: 4 };

interface Sample {
  /** Calls placed so far. */
  calls: number;
  /** Resident megabytes, by daemon. */
  mb: Record<string, number>;
}

const audio = join(tmpdir(), `grec-memory-${process.pid}.ulaw`);
writeFileSync(audio, Buffer.alloc(3200, 0x55));
const installation = await install({
  mediaPorts: 2000,
  toml: `[[trunk]]\nname = "carrier"\nhost = "${TRUNK}"\n`,
});
try {
  const samples = await measure(installation);
  const verdicts = Object.keys(samples[0]?.mb ?? {}).map((daemon) => judge(daemon, samples));
  const { length: recordings } = await installation.recordings(calls);
  if (values.json) console.log(JSON.stringify({ calls: calls / 2, rate, recordings, verdicts }));
  else {
    console.log(`${calls} calls (half of them as warm-up) at ${rate}/s, ${recordings} recordings`);
    console.table(verdicts);
  }
  process.exitCode = verdicts.every(({ flat }) => flat) && recordings === calls ? 0 : 1;
} finally {
  await installation.stop();
  rmSync(audio, { force: true });
}

async function measure({ addDn, ask, daemons, sip }: Installation): Promise<Sample[]> {
  await addDn('7001', 'secret', { record: true });
  const desk = { host: DESK, port: await freePort(DESK) };
  const words = { number: '7001', password: 'secret', caller: '+4930123', audio, ms: `${CALL_MS}` };
  const registered = await runSipp({ scenario: 'register', local: desk, remote: sip, calls: 1, words })
    .result;
  if (registered.code !== 0) throw new Error(`sipp could not register: ${registered.errors}`);
  const common = { remote: sip, calls, rate, words, timeoutS: Math.ceil(calls / rate) + 60 };
  const callee = runSipp({ ...common, scenario: 'uas', local: desk });
  const caller = runSipp({ ...common, scenario: 'uac', local: { host: TRUNK, port: await freePort(TRUNK) } });
  const samples: Sample[] = [];
  const timer = setInterval(async () => {
    const { counters } = await ask<{ counters: { calls: number } }>('grec-sipd', 'GET', '/status');
    const mb = Object.fromEntries([...daemons.processes].map(([name, { pid }]) => [name, residentMb(pid)]));
    samples.push({ calls: counters.calls, mb });
  }, SAMPLE_MS);
  const [from, to] = await Promise.all([caller.result, callee.result]);
  clearInterval(timer);
  if (from.code !== 0 || to.code !== 0) throw new Error(`calls failed: ${from.errors}${to.errors}`);
  return samples;
}

function residentMb(pid: number | undefined): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(match?.[1]) / 102.4) / 10;
}

function judge(daemon: string, samples: Sample[]) {
  const quarter = (index: number) =>
    median(
      samples
        .filter((sample) => Math.min(3, Math.floor((sample.calls * 4) / calls)) === index)
        .map(({ mb }) => mb[daemon] ?? 0),
    );
  const warmUp = [quarter(0), quarter(1)];
  const [first, second] = [quarter(2), quarter(3)];
  const flat = second <= first * TOLERANCE.ratio && second <= first + TOLERANCE.mb;
  return { daemon, warmUp: warmUp.join(' '), first, second, flat };
}

function median(numbers: number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
