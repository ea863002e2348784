// What ng requests do to calls: refusals with their reason, foreign controllers, many recordings of one call, flat memory.
import { existsSync, readdirSync } from 'node:fs';
import t from 'tap';
import {
  audioPort,
  connect,
  endCall,
  metadata,
  onlySegment,
  openParty,
  settled,
  startCall,
  startServer,
} from './fixtures/bench.ts';

const ids = { 'call-id': 'call-1', 'from-tag': 'tag-a', 'to-tag': 'tag-b' };
const description = (...lines: string[]) =>
  ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', ...lines, ''].join('\r\n');

t.test('descriptions without usable audio are refused with the reason, and leave no call', async (t) => {
  const server = await startServer(t);
  const here = 'c=IN IP4 127.0.0.1';
  const refusals: [string, RegExp][] = [
    ['nonsense', /does not begin with v=0/],
    [description(here), /no active audio/],
    [description(here, 'm=audio 0 RTP/AVP 0'), /no active audio/],
    [description(here, 'm=video 4000 RTP/AVP 96'), /no active audio/],
    [description(here, 'm=audio 4000 RTP/SAVP 0'), /RTP\/SAVP/],
    [description('m=audio 4000 RTP/AVP 0'), /no c= line/],
    [description('c=IN IP4 phone.example', 'm=audio 4000 RTP/AVP 0'), /not numeric/],
    [description('c=IN IP4 239.1.2.3', 'm=audio 4000 RTP/AVP 0'), /nothing may be sent to/],
    [description('c=IN IP4 255.255.255.255', 'm=audio 4000 RTP/AVP 0'), /nothing may be sent to/],
    [description('c=IN IP6 ::1', 'm=audio 4000 RTP/AVP 0'), /different families/],
  ];
  for (const [sdp, reason] of refusals) {
    await t.rejects(server.ng.request({ command: 'offer', ...ids, sdp }), {
      code: 'NG_REFUSED',
      message: reason,
    });
  }
  t.equal((await server.status()).calls, 0);
  t.equal((await server.status()).media.portsUsed, 0);
});

t.test('a second audio line and video are refused in the rewritten offer', async (t) => {
  const server = await startServer(t);
  const sdp = description(
    'c=IN IP4 127.0.0.1',
    'm=audio 4000 RTP/AVP 0',
    'm=audio 4002 RTP/AVP 0',
    'm=video 4004 RTP/AVP 96',
  );
  const { sdp: offered = '' } = await server.ng.request({ command: 'offer', ...ids, sdp });
  t.match(offered, /m=audio [1-9]\d* RTP\/AVP 0\r\nm=audio 0 RTP\/AVP 0\r\nm=video 0 RTP\/AVP 96/);
  t.match(offered, /c=IN IP4 127\.0\.0\.1/);
});

t.test('a description that names the media server itself is refused', async (t) => {
  const server = await startServer(t);
  const a = await openParty(t);
  const { sdp } = await server.ng.request({ command: 'offer', ...ids, sdp: a.sdp() });
  const loop = server.ng.request({ command: 'answer', ...ids, sdp: a.sdp({ port: audioPort(sdp) }) });
  await t.rejects(loop, { code: 'NG_REFUSED', message: /media server itself/ });
});

t.test('what is unknown is told as rtpengine tells it', async (t) => {
  const server = await startServer(t);
  const unknown = { 'call-id': 'no-such-call' };
  for (const command of ['query', 'start recording', 'stop recording'] as const) {
    await t.rejects(server.ng.request({ command, ...unknown }), {
      code: 'NG_REFUSED',
      message: /Unknown call-id/,
    });
  }
  t.match(await server.ng.request({ command: 'delete', ...unknown }), { result: 'ok', warning: /not found/ });
  const fatal = server.ng.request({ command: 'delete', ...unknown, flags: ['fatal'] });
  await t.rejects(fatal, { code: 'NG_REFUSED', message: /not found/ });
  const a = await openParty(t);
  await server.ng.request({ command: 'offer', ...ids, sdp: a.sdp() });
  const foreignTag = { 'call-id': 'call-1', 'from-tag': 'tag-x' };
  t.match(await server.ng.request({ command: 'delete', ...foreignTag }), { warning: /tags/ });
  await t.rejects(server.ng.request({ command: 'answer', ...foreignTag, 'to-tag': 'tag-b', sdp: a.sdp() }), {
    message: /no offer from tag tag-x/,
  });
  t.equal((await server.status()).calls, 1);
  t.equal((await server.ng.request({ command: 'ping' })).result, 'pong');
});

t.test('a controller that names no tag in its offer and gives no metadata is recorded too', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await openParty(t), await openParty(t)];
  const call = { 'call-id': 'foreign', 'from-tag': 'from-1' };
  const offered = await server.ng.request({
    command: 'offer',
    ...call,
    sdp: a.sdp(),
    'record call': 'yes',
    metadata: 'caller:100',
  });
  await server.ng.request({ command: 'answer', ...call, 'to-tag': 'fork-1', sdp: b.sdp() });
  await server.ng.request({ command: 'answer', ...call, 'to-tag': 'fork-2', sdp: b.sdp() });
  b.sendRtp(audioPort(offered.sdp), 1);
  await a.until({ rtp: 1 });
  t.equal((await server.status()).recording, 1);
  const { facts } = await endCall(server, 'foreign');
  t.equal(facts.opened.metadata, undefined);
  t.match(facts.opened.streams, [
    { label: 'a', tag: 'from-1' },
    { label: 'b', tag: 'fork-1' },
  ]);
  t.match(facts.media, [{ streams: [{}, { label: 'b', tag: 'fork-2' }] }]);
  t.match(facts.closed, { packets: { a: 0, b: 1 } });
});

t.test('labels follow the tags of the metadata, whoever offered', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await openParty(t), await openParty(t)];
  const swapped = { 'call-id': 'call-1', 'from-tag': 'tag-b', 'to-tag': 'tag-a' };
  await server.ng.request({ command: 'offer', ...swapped, sdp: b.sdp() });
  await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
  await server.ng.request({ command: 'answer', ...swapped, sdp: a.sdp() });
  await server.ng.request({ command: 'delete', 'call-id': 'call-1' });
  await settled(server);
  t.match(onlySegment(server.spool).facts.opened.streams, [
    { label: 'b', tag: 'tag-b' },
    { label: 'a', tag: 'tag-a' },
  ]);
});

t.test('each start makes a segment, a second start in between none', async (t) => {
  const { server } = await startCall(t);
  const call = { 'call-id': 'call-1' };
  for (let n = 0; n < 3; n += 1) {
    await server.ng.request({ command: 'start recording', ...call, metadata });
    await server.ng.request({ command: 'start recording', ...call, metadata });
    await server.ng.request({ command: 'stop recording', ...call });
    await server.ng.request({ command: 'stop recording', ...call });
  }
  await settled(server);
  t.equal(readdirSync(server.spool).length, 3);
});

t.test(
  'report 12: a call that finds no ports is refused, and the next finds those that were freed',
  async (t) => {
    const server = await startServer(t);
    const a = await openParty(t);
    const offer = (id: number) =>
      server.ng.request({ command: 'offer', 'call-id': `call-${id}`, 'from-tag': 'x', sdp: a.sdp() });
    for (let id = 1; id <= 5; id += 1) await offer(id);
    await t.rejects(offer(6), { code: 'NG_REFUSED', message: /no media ports left/ });
    t.equal((await server.status()).calls, 5);
    await server.ng.request({ command: 'delete', 'call-id': 'call-1' });
    await offer(7);
    t.equal((await server.status()).media.portsUsed, 10);
  },
);

t.test('stopping the server closes every segment as shut down', async (t) => {
  const { server, a, b, forA } = await startCall(t);
  await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
  for (let n = 1; n <= 5; n += 1) a.sendRtp(forA, n);
  await b.until({ rtp: 5 });
  await server.stop();
  t.match(onlySegment(server.spool).facts.closed, { reason: 'shutdown', packets: { a: 5 }, lost: 0 });
});

t.test('five hundred calls come and go, and the process does not grow', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await openParty(t), await openParty(t)];
  const call = async () => {
    const { forA } = await connect(server, a.sdp(), b.sdp());
    a.sendRtp(forA, 1);
    await server.ng.request({ command: 'delete', 'call-id': 'call-1' });
  };
  for (let n = 0; n < 200; n += 1) await call();
  const before = process.memoryUsage();
  const files = openFiles();
  for (let n = 0; n < 300; n += 1) await call();
  const after = process.memoryUsage();
  t.equal((await server.status()).media.portsUsed, 0);
  t.ok(after.rss - before.rss < 40 << 20, `${(after.rss - before.rss) >> 10} KiB more`);
  t.equal(openFiles(), files, 'every socket is closed');
});

function openFiles(): number {
  return existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0;
}
