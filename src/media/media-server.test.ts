// The media server over its real doors: ng requests, two UDP parties, and the spool it leaves behind.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { loadConfig } from '../config.ts';
import { silentLogger } from '../log.ts';
import { createNgClient } from '../ng/client.ts';
import { parseSdp } from '../sdp/parse.ts';
import { openCapture } from '../spool/capture-file.ts';
import { createJournalReader } from '../spool/journal.ts';
import type { CapturedPacket } from '../spool/pcap.ts';
import { CAPTURE_FILE, FACTS_FILE, parseFacts, type SegmentFacts } from '../spool/segment.ts';
import { buildSenderReport } from '../testing/packets.ts';
import { numberedPacket, openUdpParty, type UdpParty } from '../testing/udp-party.ts';
import { startMediaServer } from './media-server.ts';

const log = silentLogger();
let nextRange = 20000 + (process.pid % 400) * 40;

/** A media server in this process, with a spool of its own. */
async function startServer(t: Test, address = '127.0.0.1') {
  const state = t.testdir();
  const first = nextRange;
  nextRange += 20;
  const base = loadConfig({ env: { HOME: state }, uid: 1 });
  const paths = {
    ...base.paths,
    state,
    run: join(state, 'run'),
    spool: join(state, 'spool'),
    journal: join(state, 'journal'),
  };
  const mediad = {
    ...base.mediad,
    ng: { host: '127.0.0.1', port: 0 },
    address,
    ports: { first, last: first + 19 },
  };
  const daemon = await startMediaServer({
    config: { ...base, paths, mediad: { ...mediad, 'flush-interval': 20 } },
    log,
  });
  const status = () => daemon.status() as unknown as Status;
  const ng = await createNgClient({ host: '127.0.0.1', port: status().ng.port, timeoutMs: 2000, log });
  let isStopped = false;
  const stop = async () => {
    if (isStopped) return;
    isStopped = true;
    await ng.close();
    await daemon.stop();
  };
  t.teardown(stop);
  return { ng, status, stop, spool: paths.spool, journal: paths.journal };
}

interface Status {
  ng: { port: number };
  calls: number;
  recording: number;
  finishing: number;
  media: { portsUsed: number; portsFree: number };
  packets: { relayed: number; recorded: number; dropped: Record<string, number> };
}
type Server = Awaited<ReturnType<typeof startServer>>;

async function openParty(t: Test, address?: string): Promise<UdpParty> {
  const party = await openUdpParty(address);
  t.teardown(() => party.close());
  return party;
}

function audioPort(sdp: string | undefined): number {
  const parsed = parseSdp(sdp ?? '');
  return parsed.ok ? (parsed.sdp.media[0]?.port ?? 0) : 0;
}

/** Offer by a, answer by b; gives the ports that each of them was shown. */
async function connect({ ng }: Server, a: string, b: string, more = {}) {
  const ids = { 'call-id': 'call-1', 'from-tag': 'tag-a', 'to-tag': 'tag-b' };
  const toB = await ng.request({ command: 'offer', ...ids, sdp: a, ...more });
  const toA = await ng.request({ command: 'answer', ...ids, sdp: b });
  return { forA: audioPort(toA.sdp), forB: audioPort(toB.sdp) };
}

const metadata = JSON.stringify({
  recording: 'rec-1',
  call: 'call-1',
  sessionId: 'ab30317f1a784dc48ff824d0d3715d86',
  parties: [
    { label: 'a', tag: 'tag-a', role: 'customer', number: '100', uri: 'sip:100@a' },
    { label: 'b', tag: 'tag-b', role: 'agent', number: '7001', uri: 'sip:7001@b' },
  ],
});

async function settled(server: Server): Promise<void> {
  while (server.status().finishing > 0) await delay(5);
}

/** The only segment of a spool. */
function onlySegment(spool: string): { facts: SegmentFacts; packets: CapturedPacket[]; capture: string } {
  const [id = '', ...others] = readdirSync(spool);
  if (others.length > 0) throw new Error(`${others.length + 1} segments`);
  const capture = join(spool, id, CAPTURE_FILE);
  const parsed = parseFacts(readFileSync(join(spool, id, FACTS_FILE), 'utf8'));
  if ('problem' in parsed) throw new Error(parsed.problem);
  return { facts: parsed.facts, packets: [...openCapture(capture)], capture };
}

const payloads = (packets: Iterable<{ payload: Buffer }>) =>
  [...packets].map(({ payload }) => payload.toString('hex'));
const sentBy = (party: UdpParty, count: number, from = 1) =>
  Array.from({ length: count }, (_, index) => numberedPacket(party.rtpPort, from + index).toString('hex'));

t.test('both directions are relayed and recorded, RTCP too, each to its own party', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await openParty(t), await openParty(t)];
  const { forA, forB } = await connect(server, a.sdp(), b.sdp());
  t.not(forA, forB);
  await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
  const report = buildSenderReport({ ssrc: 1, at: 0, rtpTimestamp: 0, packetCount: 0, octetCount: 0 });
  for (let n = 1; n <= 50; n += 1) {
    a.sendRtp(forA, n);
    b.sendRtp(forB, n);
    await Promise.all([a.until({ rtp: n }), b.until({ rtp: n })]);
  }
  a.sendRtcp(forA + 1, report);
  b.sendRtcp(forB + 1, report);
  await Promise.all([a.until({ rtcp: 1 }), b.until({ rtcp: 1 })]);
  t.strictSame(
    b.rtp.map((bytes) => bytes.toString('hex')),
    sentBy(a, 50),
  );
  t.strictSame(
    a.rtp.map((bytes) => bytes.toString('hex')),
    sentBy(b, 50),
  );
  t.strictSame(b.rtcp, [report]);

  const query = await server.ng.request({ command: 'query', 'call-id': 'call-1' });
  t.match(query.tags?.['tag-a'], {
    'in dialogue with': 'tag-b',
    medias: [{ streams: [{ stats: { packets: 50 } }, { stats: { packets: 1 } }] }],
  });
  t.match(query.totals, { RTP: { packets: 100, errors: 0 }, RTCP: { packets: 2 } });
  await server.ng.request({ command: 'delete', 'call-id': 'call-1', 'from-tag': 'tag-a' });
  await settled(server);

  const { facts, packets, capture } = onlySegment(server.spool);
  t.match(facts.opened, { ngCallId: 'call-1', metadata: JSON.parse(metadata) });
  t.match(facts.opened.streams, [
    {
      label: 'a',
      tag: 'tag-a',
      rtpPort: forA,
      rtcpPort: forA + 1,
      formats: [{ payloadType: 0, encoding: 'PCMU' }, { payloadType: 8 }],
    },
    { label: 'b', tag: 'tag-b', rtpPort: forB, rtcpPort: forB + 1 },
  ]);
  t.match(facts.closed, { reason: 'deleted', packets: { a: 51, b: 51 }, lost: 0 });
  const at = (port: number) => packets.filter(({ destination }) => destination.port === port);
  t.strictSame(payloads(at(forA)), sentBy(a, 50));
  t.strictSame(payloads(at(forB)), sentBy(b, 50));
  t.strictSame(at(forA)[0]?.source, { address: '127.0.0.1', port: a.rtpPort });
  t.equal(at(forA + 1).length, 1);
  t.ok(packets.every(({ at }) => Math.abs(at - Date.now() * 1000) < 60e6));

  const { events } = createJournalReader({ directory: server.journal, daemon: 'grec-mediad' }).read();
  t.match(events, [
    { type: 'daemon.started' },
    { type: 'segment.opened', recording: 'rec-1', call: 'call-1' },
    { type: 'segment.closed', recording: 'rec-1', reason: 'deleted' },
  ]);
  t.equal(server.status().media.portsUsed, 0);
  checkWithTshark(t, capture, { a, forA, b, forB });
});

function checkWithTshark(
  t: Test,
  capture: string,
  { a, forA, b, forB }: { a: UdpParty; forA: number; b: UdpParty; forB: number },
): void {
  if (!existsSync('/usr/bin/tshark')) {
    t.pass('tshark is not installed', { skip: 'tshark is not installed' });
    return;
  }
  const decode = [forA, forB].flatMap((port) => ['-d', `udp.port==${port},rtp`]);
  const fields = ['udp.srcport', 'udp.dstport', 'rtp.seq', 'rtp.p_type'].flatMap((name) => ['-e', name]);
  const output = execFileSync('tshark', ['-r', capture, ...decode, '-Y', 'rtp', '-T', 'fields', ...fields], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = output
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t').map(Number));
  const expected = (source: number, destination: number) =>
    Array.from({ length: 50 }, (_, index) => [source, destination, index + 1, 0]);
  t.strictSame(
    lines.filter(([, to]) => to === forA),
    expected(a.rtpPort, forA),
    'Wireshark reads the one side',
  );
  t.strictSame(
    lines.filter(([, to]) => to === forB),
    expected(b.rtpPort, forB),
    'Wireshark reads the other side',
  );
  const bad = execFileSync(
    'tshark',
    ['-r', capture, '-o', 'ip.check_checksum:TRUE', '-Y', 'ip.checksum.status == 0 or _ws.malformed'],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  t.equal(bad, '', 'no bad checksum, nothing malformed');
}
