// What SRTP costs the media server: chains of two calls, A - first call - second call - B, whose parties speak plain RTP, while the
// two calls speak to each other in plain RTP or in SRTP, in turn. So each packet is relayed twice, protected once and opened once.
//
//   node bench/srtp-relay.ts [--chains 100] [--seconds 6] [--rounds 2] [--engine io_uring] [--server-core 0] [--load-core 1]
import { parseArgs } from 'node:util';
import { SRTP_SUITE_NAMES } from '../src/rtp/srtp-suite.ts';
import { type MediaServer, startMediaServer } from './media-servers.ts';
import { type Endpoint, partyAddress } from './rtp-kernel.ts';
import { startLoad } from './rtp-load-control.ts';

const { values } = parseArgs({
  options: {
    chains: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '2' },
    engine: { type: 'string', default: 'io_uring' },
    'server-core': { type: 'string', default: '0' },
    'load-core': { type: 'string', default: '1' },
  },
});
const chains = Number(values.chains);
const seconds = Number(values.seconds);
const WARM_UP_S = 1.5;
const PLAIN = 'plain RTP';

function describe(address: string, port: number): string {
  const lines = ['v=0', `o=- 1 1 IN IP4 ${address}`, 's=-', `c=IN IP4 ${address}`, 't=0 0'];
  return `${[...lines, `m=audio ${port} RTP/AVP 8`].join('\r\n')}\r\n`;
}

/** Opens chain `n`: what the first call offers is the offer of the second one. @returns where its parties send to */
async function openChain(
  { ng, host }: MediaServer,
  n: number,
  port: number,
  suite: string,
): Promise<Endpoint[]> {
  const ids = (call: number) => ({ 'call-id': `chain-${n}-${call}`, 'from-tag': 'from', 'to-tag': 'to' });
  const way = suite === PLAIN ? {} : { 'transport protocol': 'RTP/SAVP', SDES: [`only-${suite}`] };
  const middle = await ng.request({
    command: 'offer',
    ...ids(1),
    sdp: describe(partyAddress(2 * n), port),
    ...way,
  });
  const end = { 'transport protocol': 'RTP/AVP' };
  const toB = await ng.request({ command: 'offer', ...ids(2), sdp: middle.sdp ?? '', ...end });
  const b = describe(partyAddress(2 * n + 1), port);
  const back = await ng.request({ command: 'answer', ...ids(2), sdp: b });
  const toA = await ng.request({ command: 'answer', ...ids(1), sdp: back.sdp ?? '' });
  return [toA, toB].map(({ sdp }) => ({ address: host, port: Number(/m=audio (\d+)/.exec(sdp ?? '')?.[1]) }));
}

async function measure(
  suite: string,
): Promise<{ usPerPacket: number; lost: number; p50Us: number; engine: string }> {
  const server = await startMediaServer(values.engine, { cores: values['server-core'] });
  const load = await startLoad({ cores: values['load-core'] });
  try {
    const targets: Endpoint[] = [];
    for (let n = 0; n < chains; n += 1) targets.push(...(await openChain(server, n, load.port, suite)));
    const usage: number[] = [];
    const { phases } = await load.run(
      { targets, phases: [WARM_UP_S, seconds] },
      () => void usage.push(server.cpuMs()),
    );
    const [, result] = phases;
    if (result === undefined) throw new Error('the load generator left out a phase');
    const usedMs = (usage[2] ?? 0) - (usage[1] ?? 0);
    const { sent, received, p50Us } = result;
    return { usPerPacket: (usedMs * 1000) / received, lost: sent - received, p50Us, engine: server.name };
  } finally {
    load.stop();
    await server.stop();
  }
}

console.log(
  `${chains} chains, ${seconds} s: microseconds of CPU for a packet that is relayed twice, p50 of its way, packets lost`,
);
for (let round = 0; round < Number(values.rounds); round += 1)
  for (const suite of [PLAIN, ...SRTP_SUITE_NAMES]) {
    const { usPerPacket, lost, p50Us, engine } = await measure(suite);
    console.log(
      `${engine}  ${suite.padEnd(26)}${usPerPacket.toFixed(1).padStart(7)}${String(p50Us).padStart(8)}${String(lost).padStart(6)}`,
    );
  }
