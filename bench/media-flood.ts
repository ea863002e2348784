// A stranger floods the ports of calls: does every packet of the parties arrive, and is it recorded? On each engine.
//
//   node bench/media-flood.ts [--rate 50000] [--seconds 5] [--calls 4] [--engine io_uring,epoll,dgram] [--json]
//
// The flood is a process of its own (media-flood-stranger.ts), from another host of loopback, in turn to all ports of all calls. The
// calls are led by the real grec-sipd and grec-mediad; packets have numbers, see daemons/peers/numbered-calls.ts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { install } from '../daemons/peers/installation.ts';
import { NumberedCalls, PACKET_MS, readSpool } from '../daemons/peers/numbered-calls.ts';
import { Outages } from '../daemons/peers/outages.ts';
import { accountFor, noPackets } from '../daemons/peers/packet-accounts.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '50000' },
    seconds: { type: 'string', default: '5' },
    calls: { type: 'string', default: '4' },
    engine: { type: 'string', default: 'io_uring,epoll,dgram' },
    json: { type: 'boolean', default: false },
  },
});
const STRANGER = fileURLToPath(new URL('./media-flood-stranger.ts', import.meta.url));

interface MediaStatus {
  engine: string;
  finishing: number;
  recording: number;
  packets: { dropped: Record<string, number> };
}

/** What the stranger itself tells. */
interface FloodReport {
  sent: number;
  seconds: number;
  received: number;
}

async function flood(ports: number[]): Promise<FloodReport> {
  const argv = [STRANGER, ports.join(','), values.rate, values.seconds];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (bytes) => {
    out += bytes;
  });
  await once(child, 'close');
  return JSON.parse(out) as FloodReport;
}

async function measure(engine: string) {
  const count = Number(values.calls);
  const installation = await install({
    mediaPorts: count * 4 + 40,
    mediad: `engine = "${engine}"\nworkers = 1`,
  });
  const outages = new Outages(installation);
  const calls = new NumberedCalls(installation);
  const status = () => installation.ask<MediaStatus>('grec-mediad', 'GET', '/status');
  try {
    // The captures are looked at before they are made into recordings.
    await outages.kill('grec-procd');
    await calls.open(count);
    await installation.until(
      'all are recorded',
      async () => (await status()).recording === count || undefined,
    );
    calls.speak();
    await calls.heard(25);
    // RTCP ports too: no party has spoken there, so that the kernel keeps nobody out.
    const ports = calls.flows.flatMap(({ from: { media } }) => {
      const { rtpPort = 0 } = media.target ?? {};
      return [rtpPort, rtpPort + 1];
    });
    const flooded = await flood(ports);
    await calls.heard(25);
    calls.silence();
    await new Promise((resolve) => setTimeout(resolve, PACKET_MS * 10));
    const { packets } = await status();
    await calls.hangUp();
    await installation.until('all is written', async () => (await status()).finishing === 0 || undefined);
    const { captured, problems } = readSpool(installation.config.paths.spool);
    const account = noPackets();
    for (const flow of calls.histories(captured)) accountFor(flow, [], 0, account);
    return {
      engine,
      rate: Math.round(flooded.sent / flooded.seconds),
      flood: flooded.sent,
      back: flooded.received,
      refused: (packets.dropped['stranger'] ?? 0) + (packets.dropped['not-rtp'] ?? 0),
      sent: account.sent,
      heard: account.heard,
      recorded: account.recorded,
      problems: [...problems, ...account.problems],
    };
  } finally {
    await calls.close();
    await outages.end();
    await installation.stop();
  }
}

let isUndisturbed = true;
for (const engine of values.engine.split(',')) {
  const report = await measure(engine);
  isUndisturbed &&= report.problems.length === 0 && report.back === 0;
  if (values.json) console.log(JSON.stringify(report));
  else {
    const { rate, refused, sent, heard, recorded, back, problems } = report;
    console.log(
      `${engine}: ${rate} packets/s of strangers (${refused} reached the media server's own filter, ${back} went back); of ${sent} of the parties ${heard} were heard, ${recorded} recorded`,
    );
    for (const problem of problems.slice(0, 5)) console.log(`  ${problem}`);
  }
}
process.exitCode = isUndisturbed ? 0 : 1;
