// Whose packets a relayed call hears: NAT, strangers, new descriptions, hostile bytes.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { buildSenderReport } from '../testing/packets.ts';
import { numberedPacket } from '../testing/udp-party.ts';
import {
  audioPort,
  connect,
  endCall,
  metadata,
  onlySegment,
  openParty,
  payloads,
  type Server,
  sentBy,
  settled,
  startCall,
  startServer,
} from './fixtures/bench.ts';
import { type TestedEngine, testedEngines } from './fixtures/engines.ts';

const hexOf = (packets: Buffer[]) => packets.map((bytes) => bytes.toString('hex'));
const ids = { 'call-id': 'call-1', 'from-tag': 'tag-a', 'to-tag': 'tag-b' };

async function dropped(server: Server, reason: string, count: number): Promise<void> {
  while (((await server.status()).packets.dropped[reason] ?? 0) < count) await delay(2);
}

for (const tested of await testedEngines()) t.test(tested.name, async (t) => holdsFor(t, tested));

function holdsFor(t: Test, { engine }: TestedEngine): void {
  t.test('a party behind a NAT is heard from its first packet on, and answered where it is', async (t) => {
    const server = await startServer(t, { engine });
    const [a, b] = [await openParty(t), await openParty(t)];
    const { forA, forB } = await connect(server, a.sdp({ address: '192.168.77.5', port: 4000 }), b.sdp());
    await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
    for (let n = 1; n <= 10; n += 1) a.sendRtp(forA, n);
    await b.until({ rtp: 10 });
    t.strictSame(hexOf(b.rtp), sentBy(a, 10), 'the packets of the probation came late, not never');
    b.sendRtp(forB, 1);
    await a.until({ rtp: 1 });
    await server.ng.request({ command: 'stop recording', 'call-id': 'call-1' });
    await settled(server);
    const { facts, packets } = onlySegment(server.spool);
    t.strictSame(payloads(packets.filter(({ destination }) => destination.port === forA)), sentBy(a, 10));
    t.equal(facts.closed?.reason, 'stopped');
  });

  t.test('rule 9: strangers get nothing in and nothing out, before the party speaks and after', async (t) => {
    const server = await startServer(t, { engine });
    const [a, b] = [await openParty(t), await openParty(t)];
    const [near, far] = [await openParty(t), await openParty(t, '127.0.0.2')];
    const { forA, forB } = await connect(server, a.sdp(), b.sdp());
    await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
    for (let n = 1; n <= 4; n += 1) near.sendRtp(forA, n);
    for (let n = 1; n <= 20; n += 1) far.sendRaw(forA, numberedPacket(far.rtpPort, n));
    b.sendRtp(forB, 1);
    await a.until({ rtp: 1 });
    a.sendRtp(forA, 1);
    await b.until({ rtp: 1 });
    for (let n = 5; n <= 30; n += 1) near.sendRtp(forA, n);
    near.sendRtcp(forA + 1, Buffer.from('80c90001000000ff', 'hex'));
    for (let n = 2; n <= 20; n += 1) {
      a.sendRtp(forA, n);
      await b.until({ rtp: n });
    }
    t.strictSame(hexOf(b.rtp), sentBy(a, 20));
    t.equal(near.rtp.length + far.rtp.length, 0);
    t.strictSame(
      payloads((await endCall(server)).packets.filter(({ destination }) => destination.port === forA)),
      sentBy(a, 20),
    );
    t.ok(((await server.status()).packets.dropped['stranger'] ?? 0) >= 4);
  });

  t.test("what a party sends before its answer is known is neither lost nor anybody else's", async (t) => {
    const server = await startServer(t, { engine });
    const [a, b, stranger] = [await openParty(t), await openParty(t), await openParty(t)];
    const offered = await server.ng.request({
      command: 'offer',
      ...ids,
      sdp: a.sdp(),
      'record call': 'yes',
      metadata,
    });
    const forB = audioPort(offered.sdp);
    for (let n = 1; n <= 3; n += 1) {
      stranger.sendRtp(forB, n);
      b.sendRtp(forB, n);
    }
    // What the media server had read before this came is held; the answer lets the party's own packets through.
    await server.ng.request({ command: 'ping' });
    await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
    b.sendRtp(forB, 4);
    await a.until({ rtp: 4 });
    t.strictSame(hexOf(a.rtp), sentBy(b, 4));
    await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
    const { facts, packets } = await endCall(server);
    t.strictSame(payloads(packets), sentBy(b, 4), 'recorded from the first packet');
    t.equal(facts.opened.metadata?.recording, 'rec-1');
  });

  t.test('rule 4, report 1: a party that moves is followed, keeps its ports and its label', async (t) => {
    const server = await startServer(t, { engine });
    const [a, b, moved] = [await openParty(t), await openParty(t), await openParty(t)];
    const { forA, forB } = await connect(server, a.sdp(), b.sdp());
    await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
    a.sendRtp(forA, 1);
    b.sendRtp(forB, 1);
    await Promise.all([a.until({ rtp: 1 }), b.until({ rtp: 1 })]);
    // b offers anew from other ports: the tags change places, the ports do not.
    const swapped = { 'call-id': 'call-1', 'from-tag': 'tag-b', 'to-tag': 'tag-a' };
    const toA = await server.ng.request({ command: 'offer', ...swapped, sdp: moved.sdp({ formats: '8' }) });
    t.equal(audioPort(toA.sdp), forA);
    b.sendRtp(forB, 2);
    await a.until({ rtp: 2 });
    const toB = await server.ng.request({ command: 'answer', ...swapped, sdp: a.sdp({ formats: '8' }) });
    t.equal(audioPort(toB.sdp), forB);
    moved.sendRtp(forB, 1);
    await a.until({ rtp: 3 });
    b.sendRtp(forB, 3);
    a.sendRtp(forA, 2);
    await moved.until({ rtp: 1 });
    moved.sendRtp(forB, 2);
    await a.until({ rtp: 4 });
    t.strictSame(hexOf(a.rtp), [...sentBy(b, 2), ...sentBy(moved, 2)]);
    t.equal(b.rtp.length, 1, 'nothing goes to the old place');
    const { facts } = await endCall(server);
    t.match(facts.media, [
      {
        streams: [
          { label: 'a', rtpPort: forA, formats: [{ payloadType: 8 }] },
          { label: 'b', rtpPort: forB },
        ],
      },
    ]);
    t.equal(facts.media[0]?.streams[0]?.formats.length, 1);
    t.match(facts.closed, { packets: { a: 2, b: 4 } });
  });

  t.test('hold stops what goes to the party and not what it says', async (t) => {
    const { server, a, b, forA, forB } = await startCall(t, { engine });
    a.sendRtp(forA, 1);
    await b.until({ rtp: 1 });
    await server.ng.request({ command: 'offer', ...ids, sdp: a.sdp({ address: '0.0.0.0' }) });
    await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp({ direction: 'recvonly' }) });
    b.sendRtp(forB, 1);
    await dropped(server, 'no-destination', 1);
    a.sendRtp(forA, 2);
    await b.until({ rtp: 2 });
    await server.ng.request({ command: 'offer', ...ids, sdp: a.sdp() });
    await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
    b.sendRtp(forB, 2);
    await a.until({ rtp: 1 });
    t.strictSame(hexOf(a.rtp), sentBy(b, 1, 2));
  });

  t.test('hostile bytes are dropped and counted, and the call goes on', async (t) => {
    const { server, a, b, forA } = await startCall(t, { engine });
    await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
    a.sendRaw(forA, Buffer.alloc(0));
    a.sendRaw(forA, Buffer.from('80'));
    a.sendRaw(forA, Buffer.from('9f000001000000010000000100000000', 'hex'));
    a.sendRaw(forA, Buffer.from('000100002112a442000000000000000000000000', 'hex'));
    a.sendRtcp(forA + 1, numberedPacket(a.rtcpPort, 1));
    await dropped(server, 'not-rtp', 2);
    for (let n = 0; n < 300; n += 1) {
      const noise = randomBytes(1 + (n % 200));
      noise[0] = 0x40 | ((noise[0] ?? 0) & 0x3f);
      a.sendRaw(forA, noise);
      if (n % 50 === 49) await delay(1);
    }
    a.sendRtp(forA, 1);
    await b.until({ rtp: 1 });
    t.strictSame(hexOf(b.rtp), sentBy(a, 1));
    const {
      'too-short': short = 0,
      truncated = 0,
      'not-rtp': other = 0,
    } = (await server.status()).packets.dropped;
    t.ok(short >= 2 && truncated === 1 && short + other >= 300, `${short} ${truncated} ${other}`);
    await server.ng.request({ command: 'delete', 'call-id': 'call-1' });
    await settled(server);
    t.strictSame(payloads(onlySegment(server.spool).packets), sentBy(a, 1));
  });

  t.test('a party that is not there costs nothing, and is heard when it comes', async (t) => {
    const server = await startServer(t, { engine });
    const [a, b, gone] = [await openParty(t), await openParty(t), await openParty(t)];
    gone.close();
    const { forA } = await connect(server, a.sdp(), b.sdp({ port: gone.rtpPort }));
    for (let n = 1; n <= 20; n += 1) a.sendRtp(forA, n);
    while ((await server.status()).packets.relayed < 20) await delay(2);
    await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
    a.sendRtp(forA, 21);
    await b.until({ rtp: 1 });
    t.strictSame(hexOf(b.rtp), sentBy(a, 1, 21));
  });

  t.test("RTCP on the RTP port goes to the other party's RTCP port", async (t) => {
    const { a, b, forA } = await startCall(t, { engine });
    const report = buildSenderReport({ ssrc: 1, at: 0, rtpTimestamp: 0, packetCount: 0, octetCount: 0 });
    a.sendRtp(forA, 1);
    await b.until({ rtp: 1 });
    a.sendRaw(forA, report);
    await b.until({ rtcp: 1 });
    t.strictSame(b.rtcp, [report]);
  });

  t.test('who offers RTP and RTCP on one port is shown two, and is heard on either (RFC 5761)', async (t) => {
    const server = await startServer(t, { engine });
    const [a, b, muxed] = [await openParty(t), await openParty(t), await openParty(t)];
    const offers = (party: typeof a, rtcpPort: number) =>
      `${party.sdp().replace(/a=rtcp:\d+/, `a=rtcp:${rtcpPort}`)}a=rtcp-mux\r\n`;
    const toB = await server.ng.request({ command: 'offer', ...ids, sdp: offers(a, a.rtcpPort) });
    const toA = await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
    t.notMatch(`${toB.sdp}${toA.sdp}`, /rtcp-mux/, 'so that RTCP has the port after that of RTP');
    const [forA, forB] = [audioPort(toA.sdp), audioPort(toB.sdp)];
    const report = (n: number) =>
      buildSenderReport({ ssrc: n, at: 0, rtpTimestamp: 0, packetCount: 0, octetCount: 0 });
    a.sendRtp(forA, 1);
    await b.until({ rtp: 1 });
    a.sendRaw(forA, report(1));
    await b.until({ rtcp: 1 });
    a.sendRtcp(forA + 1, report(2));
    await b.until({ rtcp: 2 });
    b.sendRtcp(forB + 1, report(3));
    await a.until({ rtcp: 1 });
    t.strictSame([b.rtcp, a.rtcp, a.rtp], [[report(1), report(2)], [report(3)], []]);
    // One that has a single port names it for both.
    const again = { command: 'offer', ...ids } as const;
    await server.ng.request({ ...again, sdp: offers(muxed, muxed.rtpPort) });
    await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
    muxed.sendRaw(forA, numberedPacket(muxed.rtpPort, 1));
    await b.until({ rtp: 2 });
    muxed.sendRaw(forA, report(4));
    await b.until({ rtcp: 3 });
    muxed.sendRaw(forA + 1, report(5));
    await b.until({ rtcp: 4 });
    b.sendRtp(forB, 1);
    b.sendRtcp(forB + 1, report(6));
    await muxed.until({ rtp: 2 });
    t.strictSame(b.rtcp.slice(2), [report(4), report(5)]);
    t.strictSame(hexOf(muxed.rtp).sort(), [...sentBy(b, 1), report(6).toString('hex')].sort());
  });

  t.test('IPv6 parties are relayed and recorded too', async (t) => {
    const server = await startServer(t, { engine, address: '::1' }).catch(() => undefined);
    if (server === undefined) return t.pass('no IPv6 loopback here', { skip: 'no IPv6 loopback' });
    const [a, b] = [await openParty(t, '::1'), await openParty(t, '::1')];
    const { forA } = await connect(server, a.sdp(), b.sdp());
    await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
    a.sendRtp(forA, 1);
    await b.until({ rtp: 1 });
    await server.ng.request({ command: 'delete', 'call-id': 'call-1' });
    await settled(server);
    t.match(onlySegment(server.spool).packets, [
      { source: { address: '::1', port: a.rtpPort }, destination: { port: forA } },
    ]);
  });

  t.test('an IPv6 party and an IPv4 one hear each other, each on an address of its own family', async (t) => {
    const server = await startServer(t, { engine, second: '::1' }).catch(() => undefined);
    if (server === undefined) return t.pass('no IPv6 loopback here', { skip: 'no IPv6 loopback' });
    const [a, b] = [await openParty(t, '::1'), await openParty(t)];
    const toB = await server.ng.request({ command: 'offer', ...ids, sdp: a.sdp(), 'address family': 'IP4' });
    t.match(toB.sdp, /c=IN IP4 127\.0\.0\.1/);
    t.match(toB.sdp, /o=.* IN IP6 ::1/, 'the origin is left alone');
    const replace = ['origin'];
    const toA = await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp(), replace });
    t.match(toA.sdp, /o=.* IN IP6 ::1\r\n[\s\S]*c=IN IP6 ::1/, 'unless it is asked for');
    await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
    a.sendRtp(audioPort(toA.sdp), 1);
    await b.until({ rtp: 1 });
    b.sendRtp(audioPort(toB.sdp), 1);
    await a.until({ rtp: 1 });
    t.strictSame(hexOf(b.rtp), sentBy(a, 1));
    const moved = server.ng.request({ command: 'offer', ...ids, sdp: b.sdp() });
    await t.rejects(moved, { message: /was shown ::1, and names 127\.0\.0\.1: different families/ });
    const held = await server.ng.request({ command: 'offer', ...ids, sdp: a.sdp({ address: '0.0.0.0' }) });
    t.equal(held.result, 'ok');
    t.same(
      (await endCall(server)).packets.map(({ source }) => source.address),
      ['::1', '127.0.0.1'],
    );
  });
}
