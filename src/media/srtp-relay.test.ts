// SRTP through the media server: on one side or both, recorded in clear, with keys that change, and nothing for whoever has none.

import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { SRTP_SUITE_NAMES } from '../rtp/srtp-suite.ts';
import { buildSenderReport } from '../testing/packets.ts';
import { numberedPacket } from '../testing/udp-party.ts';
import {
  audioPort,
  metadata,
  onlySegment,
  openParty,
  payloads,
  type Server,
  sentBy,
  settled,
  startServer,
} from './fixtures/bench.ts';
import { linesOf, openSecureParty, type SecureParty } from './fixtures/secure-party.ts';
import { startWorkerEngine } from './io/worker-engine.ts';

const ids = { 'call-id': 'call-1', 'from-tag': 'tag-a', 'to-tag': 'tag-b' };
const SUITE = 'AES_CM_128_HMAC_SHA1_80';
const hexOf = (packets: Buffer[]) => packets.map((bytes) => bytes.toString('hex'));
const record = { 'record call': 'yes', metadata };
const REPORT = buildSenderReport({
  ssrc: 7,
  at: 1000,

  rtpTimestamp: 0,
  packetCount: 1,
  octetCount: 1,
});

async function refused(server: Server, count: number): Promise<void> {
  while (((await server.status()).packets.dropped['not-authentic'] ?? 0) < count) await delay(2);
}

const inProcess = SRTP_SUITE_NAMES.map((suite) => ({ suite, where: {}, place: '' }));
const inWorker = {
  suite: SUITE,
  where: { engine: startWorkerEngine, workers: 1 },
  place: ', in a worker',
} as const;
for (const { suite, where, place } of [...inProcess, inWorker])
  t.test(`${suite} to the phone, plain RTP to the trunk, recorded in clear${place}`, async (t) => {
    const server = await startServer(t, where);
    const [phone, trunk] = [await openSecureParty(t), await openParty(t)];
    const offered = await server.ng.request({
      command: 'offer',
      ...ids,
      sdp: phone.secureSdp(suite, { tag: 5 }),
      'transport protocol': 'RTP/AVP',
    });
    t.match(offered.sdp, /m=audio \d+ RTP\/AVP /);
    t.notMatch(offered.sdp, /crypto/);
    const answered = await server.ng.request({ command: 'answer', ...ids, sdp: trunk.sdp(), ...record });
    t.match(answered.sdp, /m=audio \d+ RTP\/SAVP /);
    t.match(linesOf(answered.sdp), [{ tag: 5, suite }], 'the line that was taken, and that alone');
    t.equal(phone.hear(answered.sdp, suite), suite);
    const [forPhone, forTrunk] = [audioPort(answered.sdp), audioPort(offered.sdp)];
    for (let n = 1; n <= 5; n += 1) phone.sendSecure(forPhone, n);
    await trunk.until({ rtp: 5 });
    t.strictSame(hexOf(trunk.rtp), sentBy(phone, 5));
    for (let n = 1; n <= 5; n += 1) trunk.sendRtp(forTrunk, n);
    await phone.until({ rtp: 5 });
    t.notSame(hexOf(phone.rtp), sentBy(trunk, 5));
    t.strictSame(phone.opened(phone.rtp), sentBy(trunk, 5));
    phone.sendSecureRtcp(forPhone + 1, REPORT);
    await trunk.until({ rtcp: 1 });
    t.strictSame(trunk.rtcp[0], REPORT);
    trunk.sendRtcp(forTrunk + 1, REPORT);
    await phone.until({ rtcp: 1 });
    t.strictSame(phone.opened(phone.rtcp, 'rtcp'), [REPORT.toString('hex')]);
    await server.ng.request({ command: 'delete', 'call-id': 'call-1' });
    await settled(server);
    const captured = onlySegment(server.spool).packets.filter(({ payload }) => payload.length > 100);
    t.strictSame(payloads(captured).sort(), [...sentBy(phone, 5), ...sentBy(trunk, 5)].sort());
  });

/** Both speak SRTP, each with its own suite. */
async function connectSecure(t: Test, server: Server) {
  const [a, b] = [await openSecureParty(t), await openSecureParty(t)];
  const { forA, forB } = await exchange(server, a, b);
  return { a, b, forA, forB };
}

async function exchange(server: Server, a: SecureParty, b: SecureParty) {
  const toB = await server.ng.request({ command: 'offer', ...ids, sdp: a.secureSdp(SUITE) });
  b.hear(toB.sdp, 'AEAD_AES_128_GCM');
  const [tag] = linesOf(toB.sdp).filter(({ suite }) => suite === 'AEAD_AES_128_GCM');
  const sdp = b.secureSdp('AEAD_AES_128_GCM', { tag: tag?.tag ?? 0 });
  const toA = await server.ng.request({ command: 'answer', ...ids, sdp });
  a.hear(toA.sdp, SUITE);
  return { forA: audioPort(toA.sdp), forB: audioPort(toB.sdp), toA, toB };
}

t.test('SRTP on both sides, with keys and suites of their own', async (t) => {
  const server = await startServer(t);
  const { a, b, forA, forB } = await connectSecure(t, server);
  for (let n = 1; n <= 3; n += 1) {
    a.sendSecure(forA, n);
    b.sendSecure(forB, n);
  }
  await Promise.all([a.until({ rtp: 3 }), b.until({ rtp: 3 })]);
  t.strictSame(b.opened(b.rtp), sentBy(a, 3));
  t.strictSame(a.opened(a.rtp), sentBy(b, 3));
});

t.test('plain RTP, changed packets and repetitions do not pass where SRTP was agreed', async (t) => {
  const server = await startServer(t);
  const { a, b, forA } = await connectSecure(t, server);
  a.sendSecure(forA, 1);
  await b.until({ rtp: 1 });
  a.sendRtp(forA, 2);
  a.sendRaw(forA, Buffer.concat([numberedPacket(a.rtpPort, 3), Buffer.alloc(10, 1)]));
  a.sendRtcp(forA + 1, REPORT);
  await refused(server, 3);
  a.sendSecure(forA, 4);
  await b.until({ rtp: 2 });
  t.strictSame(b.opened(b.rtp), [...sentBy(a, 1), ...sentBy(a, 1, 4)]);
});

t.test(
  'the same description again keeps keys and counters; a new key takes over without a gap',
  async (t) => {
    const server = await startServer(t);
    const { a, b, forA, forB } = await connectSecure(t, server);
    a.sendSecure(forA, 1);
    b.sendSecure(forB, 1);
    await Promise.all([a.until({ rtp: 1 }), b.until({ rtp: 1 })]);
    const again = await exchange(server, a, b);
    const before = linesOf(again.toB.sdp);
    a.sendSecure(forA, 2);
    await b.until({ rtp: 2 });
    a.changeKey();
    const { toA, toB } = await exchange(server, a, b);
    t.strictSame(linesOf(toB.sdp), before, 'the other party is shown the same keys');
    t.equal(audioPort(toA.sdp), forA);
    for (let n = 3; n <= 6; n += 1) a.sendSecure(forA, n);
    b.sendSecure(forB, 2);
    await Promise.all([a.until({ rtp: 2 }), b.until({ rtp: 6 })]);
    t.strictSame(b.opened(b.rtp), sentBy(a, 6));
    t.strictSame(a.opened(a.rtp), sentBy(b, 2));
  },
);

t.test('an offer that is taken back leaves SRTP as it was', async (t) => {
  const server = await startServer(t);
  const { a, b, forA, forB } = await connectSecure(t, server);
  await server.ng.request({ command: 'offer', ...ids, sdp: a.sdp() });
  a.sendSecure(forA, 1);
  b.sendSecure(forB, 1);
  await Promise.all([a.until({ rtp: 1 }), b.until({ rtp: 1 })]);
  await server.ng.request({ command: 'offer', ...ids, sdp: a.secureSdp(SUITE) });
  a.sendSecure(forA, 2);
  await b.until({ rtp: 2 });
  t.strictSame(b.opened(b.rtp), sentBy(a, 2));
  t.strictSame(a.opened(a.rtp), sentBy(b, 1));
});

t.test('from SRTP to plain RTP and back, with new keys', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await openSecureParty(t), await openParty(t)];
  const plain = { 'transport protocol': 'RTP/AVP' };
  const first = await server.ng.request({ command: 'offer', ...ids, sdp: a.secureSdp(SUITE), ...plain });
  const secure = await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
  await server.ng.request({ command: 'offer', ...ids, sdp: a.sdp(), ...plain });
  const bare = await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
  t.match(bare.sdp, /RTP\/AVP /);
  t.same(linesOf(bare.sdp), []);
  a.sendRtp(audioPort(bare.sdp), 1);
  b.sendRtp(audioPort(first.sdp), 1);
  await Promise.all([a.until({ rtp: 1 }), b.until({ rtp: 1 })]);
  t.strictSame(hexOf(a.rtp), sentBy(b, 1));
  await server.ng.request({ command: 'offer', ...ids, sdp: a.secureSdp(SUITE), ...plain });
  const back = await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
  t.notSame(linesOf(back.sdp), linesOf(secure.sdp), 'a key that was given up does not come back');
});

t.test('plain RTP with keys leaves the choice (RFC 8643)', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await openSecureParty(t), await openSecureParty(t)];
  const offer = a.secureSdp(SUITE, { protocol: 'RTP/AVP' });
  const toB = await server.ng.request({ command: 'offer', ...ids, sdp: offer });
  t.match(toB.sdp, /RTP\/AVP /);
  t.equal(linesOf(toB.sdp).length, SRTP_SUITE_NAMES.length, 'it is passed on, with keys of our own');
  const toA = await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
  t.match(toA.sdp, /RTP\/AVP /);
  a.hear(toA.sdp, SUITE);
  a.sendSecure(audioPort(toA.sdp), 1);
  b.sendRtp(audioPort(toB.sdp), 1);
  await Promise.all([a.until({ rtp: 1 }), b.until({ rtp: 1 })]);
  t.strictSame(hexOf(b.rtp), sentBy(a, 1));
  t.strictSame(a.opened(a.rtp), sentBy(b, 1));
});

t.test('what the controller says: protocol, SDES and OSRTP', async (t) => {
  const server = await startServer(t);
  const a = await openSecureParty(t);
  const offer = async (more: object, sdp = a.sdp()) => {
    const { sdp: toB } = await server.ng.request({ command: 'offer', ...ids, sdp, ...more });
    return { protocol: /RTP\/\S+/.exec(toB ?? '')?.[0], suites: linesOf(toB).map(({ suite }) => suite) };
  };
  t.same(await offer({}), { protocol: 'RTP/AVP', suites: [] });
  t.same(await offer({ 'transport protocol': 'RTP/SAVP' }), {
    protocol: 'RTP/SAVP',
    suites: [...SRTP_SUITE_NAMES],
  });
  t.same(await offer({ 'transport protocol': 'RTP/SAVPF', SDES: [`only-${SUITE}`] }), {
    protocol: 'RTP/SAVPF',
    suites: [SUITE],
  });
  t.same(
    await offer({
      'transport protocol': 'RTP/SAVP',
      flags: ['SDES-no-AEAD_AES_256_GCM', 'SDES-no-AEAD_AES_128_GCM'],
    }),
    { protocol: 'RTP/SAVP', suites: [SUITE, 'AES_CM_128_HMAC_SHA1_32'] },
  );
  t.match(await offer({ OSRTP: ['offer'] }), { protocol: 'RTP/AVP', suites: { length: 4 } });
  t.match(await offer({ flags: ['OSRTP-offer'], 'transport protocol': 'RTP/AVP' }), {
    suites: { length: 4 },
  });
  const choice = a.secureSdp(SUITE, { protocol: 'RTP/AVP' });
  t.same(await offer({ OSRTP: ['off'] }, choice), { protocol: 'RTP/AVP', suites: [] });
  t.same(await offer({ SDES: ['off'] }, choice), { protocol: 'RTP/AVP', suites: [] });
  for (const [more, reason] of [
    [{ 'transport protocol': 'UDP/TLS/RTP/SAVPF' }, /not spoken here/],
    [{ 'transport protocol': 'RTP/SAVP', SDES: ['off'] }, /switched off/],
  ] as const)
    await t.rejects(offer(more), { code: 'NG_REFUSED', message: reason });
});

t.test('SRTP without usable keys is refused with the reason, which tells none', async (t) => {
  const server = await startServer(t);
  const a = await openSecureParty(t);
  const secure = a.sdp().replace('RTP/AVP', 'RTP/SAVP');
  const KEY = Buffer.alloc(30, 1).toString('base64');
  for (const [lines, reason] of [
    ['', /no a=crypto line/],
    [`a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:${KEY}`, /the suite AES_256_CM_HMAC_SHA1_80/],
    [`a=crypto:1 AEAD_AES_128_GCM inline:${KEY}`, /another length/],
    [`a=crypto:1 ${SUITE} inline:${KEY} KDR=4`, /KDR/],
    [`a=crypto:x ${SUITE} inline:${KEY}`, /not tag, suite and key/],
  ] as const) {
    const offer = server.ng.request({ command: 'offer', ...ids, sdp: `${secure}${lines}\r\n` });
    await t.rejects(offer, { code: 'NG_REFUSED', message: reason });
    await offer.catch(({ message }: Error) => t.notMatch(message, KEY));
  }
  const dtls = a.sdp().replace('RTP/AVP', 'UDP/TLS/RTP/SAVPF');
  await t.rejects(server.ng.request({ command: 'offer', ...ids, sdp: dtls }), { message: /DTLS/ });
  t.equal((await server.status()).calls, 0);
});

t.test('an answer must keep to what was offered', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await openSecureParty(t), await openSecureParty(t)];
  await server.ng.request({ command: 'offer', ...ids, sdp: a.secureSdp(SUITE), SDES: [`only-${SUITE}`] });
  const answer = (sdp: string) => server.ng.request({ command: 'answer', ...ids, sdp });
  await t.rejects(answer(b.sdp()), { message: /was offered SRTP/ });
  await t.rejects(answer(b.secureSdp('AEAD_AES_128_GCM')), { message: /AEAD_AES_128_GCM/ });
  t.match(await answer(b.secureSdp(SUITE)), { result: 'ok' });
  await server.ng.request({ command: 'offer', ...ids, sdp: a.sdp() });
  await t.rejects(answer(b.secureSdp(SUITE)), { message: /was offered plain RTP/ });
});
