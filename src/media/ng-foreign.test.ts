// The ng requests that Kamailio and others send and the own switch does not: pause, block, branches, delays, lists, codec flags.
import t from 'tap';
import type { NgOffer } from '../ng/request.ts';
import {
  audioPort,
  endCall,
  eventBy,
  onlySegment,
  openParty,
  payloads,
  sentBy,
  settled,
  startCall,
  startServer,
  withEvents,
} from './fixtures/bench.ts';

const call = { 'call-id': 'call-1' };
const ids = { ...call, 'from-tag': 'tag-a', 'to-tag': 'tag-b' };
const FORMATS = 'm=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n';

t.test(
  'rule 6, report 9: a pause leaves nothing of its time in the capture, and its times in the facts',
  async (t) => {
    const { server, a, b, forA } = await startCall(t);
    const say = async (from: number, to: number) => {
      for (let n = from; n <= to; n += 1) a.sendRtp(forA, n);
      await b.until({ rtp: to });
    };
    await server.ng.request({ command: 'start recording', ...call, metadata: 'from:100|to:200' });
    await say(1, 3);
    await server.ng.request({ command: 'pause recording', ...call });
    await server.ng.request({ command: 'pause recording', ...call });
    await say(4, 6);
    await server.ng.request({ command: 'start recording', ...call });
    await say(7, 9);
    const { facts, packets } = await endCall(server);
    t.same(payloads(packets), [...sentBy(a, 3), ...sentBy(a, 3, 7)]);
    t.match(facts.pauses, [{ type: 'paused' }, { type: 'resumed' }]);
    t.equal(facts.pauses.length, 2);
    t.match(facts.opened.parties, [
      { label: 'a', tag: 'tag-a', number: '100' },
      { label: 'b', tag: 'tag-b', number: '200' },
    ]);
  },
);

t.test('blocked media goes no further and is recorded, until it is unblocked', async (t) => {
  const { server, a, b, forA, forB } = await startCall(t);
  await server.ng.request({ command: 'block media', ...call, 'from-tag': 'tag-a' });
  a.sendRtp(forA, 1);
  b.sendRtp(forB, 1);
  await a.until({ rtp: 1 });
  await server.ng.request({ command: 'unblock media', ...call });
  a.sendRtp(forA, 2);
  await b.until({ rtp: 1 });
  t.same(payloads(b.rtp.map((payload) => ({ payload }))), sentBy(a, 1, 2));
  const stranger = server.ng.request({ command: 'block media', ...call, 'from-tag': 'tag-x' });
  await t.rejects(stranger, { message: /no party with tag tag-x/ });
});

t.test('blocked telephone events go no further and into no recording; the voice does', async (t) => {
  const { server, a, b, forA } = await startCall(t, { describe: withEvents });
  await server.ng.request({ command: 'start recording', ...call });
  a.sendRtp(forA, 1);
  await b.until({ rtp: 1 });
  await server.ng.request({ command: 'block DTMF', ...call, 'from-tag': 'tag-a' });
  a.sendRaw(forA, eventBy(a, 2));
  a.sendRtp(forA, 3);
  await b.until({ rtp: 2 });
  await server.ng.request({ command: 'unblock DTMF', ...call });
  a.sendRaw(forA, eventBy(a, 4));
  await b.until({ rtp: 3 });
  const expected = [...sentBy(a, 1), ...sentBy(a, 1, 3), eventBy(a, 4).toString('hex')];
  t.same(payloads(b.rtp.map((payload) => ({ payload }))), expected);
  t.equal((await server.status()).packets.dropped.blocked, 1);
  await server.ng.request({ command: 'delete', ...call });
  await settled(server);
  t.same(payloads(onlySegment(server.spool).packets), expected);
});

t.test('a call that was forked ends with its last branch', async (t) => {
  const server = await startServer(t);
  const a = await openParty(t);
  const from = { ...call, 'from-tag': 'tag-a' };
  const ports = new Set<number>();
  for (const branch of ['z9hG4bK.1', 'z9hG4bK.2'])
    ports.add(
      audioPort(
        (await server.ng.request({ command: 'offer', ...from, 'via-branch': branch, sdp: a.sdp() })).sdp,
      ),
    );
  t.equal(ports.size, 1, 'both branches are shown the same port');
  await server.ng.request({ command: 'delete', ...from, 'via-branch': 'z9hG4bK.1' });
  t.equal((await server.status()).calls, 1);
  await server.ng.request({ command: 'delete', ...from, 'via-branch': 'z9hG4bK.2' });
  t.equal((await server.status()).calls, 0);
});

t.test('a delete without its branch, or with an unknown one, ends the whole call', async (t) => {
  const server = await startServer(t);
  const a = await openParty(t);
  for (const more of [{}, { 'via-branch': 'z9hG4bK.9' }]) {
    for (const branch of ['z9hG4bK.1', 'z9hG4bK.2'])
      await server.ng.request({ command: 'offer', ...ids, 'via-branch': branch, sdp: a.sdp() });
    await server.ng.request({ command: 'delete', ...ids, ...more });
    t.equal((await server.status()).calls, 0);
  }
});

t.test('a delayed delete ends the recording at once and the media later', async (t) => {
  const { server, a, b, forA } = await startCall(t);
  await server.ng.request({ command: 'start recording', ...call });
  a.sendRtp(forA, 1);
  await b.until({ rtp: 1 });
  await server.ng.request({ command: 'delete', ...call, 'delete-delay': 1 });
  a.sendRtp(forA, 2);
  await b.until({ rtp: 2 });
  t.match(await server.status(), { calls: 1, recording: 0 });
  while ((await server.status()).calls > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await settled(server);
  const { facts, packets } = onlySegment(server.spool);
  t.same(payloads(packets), sentBy(a, 1));
  t.match(facts.closed, { reason: 'deleted' });
});

t.test('an offer keeps a call that was to be deleted', async (t) => {
  const server = await startServer(t);
  const a = await openParty(t);
  const [kept, deleted] = [ids, { ...ids, 'call-id': 'deleted after it' }];
  for (const each of [kept, deleted]) {
    await server.ng.request({ command: 'offer', ...each, sdp: a.sdp() });
    await server.ng.request({ command: 'delete', ...each, 'delete-delay': 1 });
  }
  await server.ng.request({ command: 'offer', ...kept, sdp: a.sdp() });
  const calls = async () => (await server.ng.request({ command: 'list' })).calls ?? [];
  // The other's time is over later than the first one's would have been.
  while ((await calls()).includes(deleted['call-id']))
    await new Promise((resolve) => setTimeout(resolve, 20));
  t.same(await calls(), [kept['call-id']]);
});

t.test('calls and counts are told', async (t) => {
  const server = await startServer(t);
  const a = await openParty(t);
  for (let n = 1; n <= 3; n += 1)
    await server.ng.request({ command: 'offer', 'call-id': `call-${n}`, 'from-tag': 'x', sdp: a.sdp() });
  await t.rejects(server.ng.request({ command: 'offer', 'call-id': 'bad', 'from-tag': 'x', sdp: '' }));
  t.same((await server.ng.request({ command: 'list' })).calls, ['call-1', 'call-2', 'call-3']);
  t.same((await server.ng.request({ command: 'list', limit: 2 })).calls, ['call-1', 'call-2']);
  t.match((await server.ng.request({ command: 'statistics' })).statistics, {
    currentstatistics: { sessionsown: 3, sessionstotal: 3, sessionsrecording: 0 },
    totalstatistics: { managedsessions: 4, rejectedsessions: 1, relayedpackets: 0 },
  });
});

t.test('a controller that knows of other media servers is told that there is no room', async (t) => {
  const server = await startServer(t);
  const a = await openParty(t);
  const offer = (n: number) =>
    server.ng.request({
      command: 'offer',
      'call-id': `call-${n}`,
      'from-tag': 'x',
      supports: ['load limit'],
      sdp: a.sdp(),
    });
  for (let n = 1; n <= 5; n += 1) await offer(n);
  await t.rejects(offer(6), { message: /no media ports left/ });
  t.equal((await server.status()).calls, 5);
});

t.test('codec flags, in either form, change what the answerer is offered', async (t) => {
  const server = await startServer(t);
  const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n${FORMATS}`;
  const offered = async (more: Partial<NgOffer>) =>
    /m=audio \d+ (.*)\r/.exec(
      (await server.ng.request({ command: 'offer', ...ids, sdp, ...more })).sdp ?? '',
    )?.[1];
  t.equal(await offered({ codec: { strip: ['PCMA'] } }), 'RTP/AVP 0 101');
  t.equal(
    await offered({ flags: ['codec-strip-all', 'codec-offer-PCMU', 'codec-except-PCMA'] }),
    'RTP/AVP 0 8',
  );
  await t.rejects(offered({ codec: { strip: ['all'] } }), { message: /none of its encodings is left/ });
});

t.test('media is expected where the signalling comes from, when the controller says so', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await openParty(t, '127.0.0.8'), await openParty(t)];
  const toB = await server.ng.request({
    command: 'offer',
    ...ids,
    sdp: a.sdp({ address: '10.9.9.9' }),
    'received-from': ['IP4', '127.0.0.8'],
    flags: ['SIP source address'],
  });
  await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
  b.sendRtp(audioPort(toB.sdp), 1);
  await a.until({ rtp: 1 });
  t.equal(a.rtp.length, 1);
});
