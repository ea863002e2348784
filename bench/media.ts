// The cost of the media path: recorded G.711 calls, both ways, 50 packets a second each, through grec-mediad with each of its
// packet engines and through rtpengine, in turn. What is measured and how stands in README.md.
//
//   node bench/media.ts [--loads 100,400,1000,1200] [--seconds 8] [--rounds 3] [--servers io_uring,epoll,dgram,rtpengine]
//                       [--server-core 0] [--load-core 1] [--mediad FILE] [--realtime] [--json] [--short]
//                       [--churn 500] [--churn-beside 200]     0: without that part
import { parseArgs } from 'node:util';
import { type ChurnResult, measureChurn } from './media-churn-beside.ts';
import { type Measured, measureRelay } from './media-relay.ts';
import { churnReport, churnTable, type Report, relayTable, summarize } from './media-report.ts';
import { enginesOfGrec, hasRtpengine, RTPENGINE } from './media-servers.ts';
import { bindSelf } from './placed.ts';

const { values } = parseArgs({
  options: {
    loads: { type: 'string', default: '100,400,1000,1200' },
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
    servers: { type: 'string' },
    'server-core': { type: 'string', default: '0' },
    'load-core': { type: 'string', default: '1' },
    mediad: { type: 'string' },
    churn: { type: 'string', default: '500' },
    'churn-beside': { type: 'string', default: '200' },
    realtime: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
  },
});

const SHORT = { loads: [20], seconds: 1, rounds: 1, churn: 50, beside: 10 };
const isRealtime = values.realtime;
const load = { cores: values['load-core'], isRealtime };
const options = { cores: values['server-core'], isRealtime, mediad: values.mediad };
const plan = values.short
  ? SHORT
  : {
      loads: values.loads.split(',').map(Number),
      seconds: Number(values.seconds),
      rounds: Number(values.rounds),
      churn: Number(values.churn),
      beside: Number(values['churn-beside']),
    };

// The requests of the calls that come and go must not take the server's core.
bindSelf(load.cores);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const servers = values.servers?.split(',') ?? [
  ...(await enginesOfGrec(options)),
  ...(hasRtpengine ? [RTPENGINE] : []),
];
if (!hasRtpengine)
  say('rtpengine is not installed, so there is nothing to compare with: apt-get install rtpengine-daemon');

const reports: Report[] = [];
for (const calls of plan.loads) reports.push(...summarize(await runLoad(calls)));
const churned: ChurnResult[] = [];
if (plan.churn > 0) {
  for (const server of servers)
    churned.push(await measureChurn(server, { ...plan, options, load, perSecond: plan.churn }));
}
if (values.json)
  for (const report of [...reports, ...churned.map(churnReport)]) console.log(JSON.stringify(report));
else console.log(`${relayTable(reports)}\n\n${churnTable(churned)}`);
if (values.short) process.exitCode = reports.every(({ received }) => received > 0) ? 0 : 1;

/** Turn and turn about, so that all see the same machine. */
async function runLoad(calls: number): Promise<Measured[]> {
  const all: Measured[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const server of servers) {
      const measured = await measureRelay(server, { calls, seconds: plan.seconds, options, load });
      say(`${server}, ${calls} calls: ${measured.usPerPacket.toFixed(1)} us, ${measured.lost} lost`);
      all.push(measured);
    }
  }
  return all;
}

function say(line: string): void {
  console.error(line);
}
