// Two parties through the media server: relayed and recorded both ways; the recording opens in Wireshark.
import { execFileSync, spawnSync } from 'node:child_process';
import t, { type Test } from 'tap';
import { createJournalReader } from '../spool/journal.ts';
import { buildSenderReport } from '../testing/packets.ts';
import type { UdpParty } from '../testing/udp-party.ts';
import { metadata, onlySegment, payloads, sentBy, settled, startCall } from './fixtures/bench.ts';
import { startWorkerEngine } from './io/worker-engine.ts';

t.test('both directions are relayed and recorded, RTCP too, each to its own party', async (t) => {
  const { server, a, b, forA, forB } = await startCall(t, { engine: startWorkerEngine });
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
  t.equal((await server.status()).media.portsUsed, 0);
  checkWithTshark(t, capture, { a, forA, b, forB });
});

function checkWithTshark(
  t: Test,
  capture: string,
  { a, forA, b, forB }: { a: UdpParty; forA: number; b: UdpParty; forB: number },
): void {
  if (spawnSync('tshark', ['-v']).status !== 0) {
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
