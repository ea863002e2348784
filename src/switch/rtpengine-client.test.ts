// What a real rtpengine is asked, and what its recordings are told: the ports and formats that it shows to the parties.
import t from 'tap';
import type { NgOk } from '../ng/reply.ts';
import type { NgRequest } from '../ng/request.ts';
import { rtpengineClient } from './rtpengine-client.ts';

const sdp = (port: number, formats = '0 101') =>
  [
    ...['v=0', 'o=- 1 1 IN IP4 192.0.2.9', 's=-', 'c=IN IP4 192.0.2.9', 't=0 0'],
    ...[`m=audio ${port} RTP/AVP ${formats}`, 'a=rtpmap:101 telephone-event/8000', ''],
  ].join('\r\n');

const METADATA = {
  recording: 'r',
  call: 'c',
  sessionId: 's',
  parties: [
    { label: 'a', tag: 'tag-a', role: 'customer', number: '1', uri: 'sip:1@x' },
    { label: 'b', tag: 'tag-b', role: 'agent', number: '2', uri: 'sip:2@x' },
  ],
};

function setUp(answer: (request: NgRequest) => Partial<NgOk> = () => ({})) {
  const asked: NgRequest[] = [];
  const client = rtpengineClient({
    request: async (request) => {
      asked.push(request);
      return { result: 'ok', ...answer(request) };
    },
    close: async () => undefined,
  });
  const told = () => {
    const last = asked.findLast(({ command }) => command === 'start recording');
    return JSON.parse((last?.command === 'start recording' ? last.metadata : undefined) ?? '{}');
  };
  return { client, asked, told };
}

const ids = { 'call-id': 'c', 'from-tag': 'tag-a', 'to-tag': 'tag-b' };
const metadata = JSON.stringify(METADATA);

t.test('parties are shown plain RTP, and rtpengine nothing that it does not know', async (t) => {
  const { client, asked } = setUp();
  await client.request({ command: 'offer', ...ids, sdp: sdp(4000), 'feature-codes': ['*1'] });
  t.match(asked, [{ command: 'offer', ICE: 'remove', 'rtcp-mux': ['demux'], flags: ['strict-source'] }]);
  t.notOk('feature-codes' in (asked[0] ?? {}));
});

t.test('a recording carries the port and the formats of each party, and follows them', async (t) => {
  const ports: Record<string, string> = { offer: sdp(30000), answer: sdp(30010, '0') };
  const { client, asked, told } = setUp(({ command }) => ({ sdp: ports[command] ?? '' }));
  await client.request({ command: 'offer', ...ids, sdp: sdp(4000) });
  await client.request({ command: 'answer', ...ids, sdp: sdp(5000), 'record call': 'yes', metadata });
  t.same(
    asked.map(({ command }) => command),
    ['offer', 'answer', 'start recording'],
  );
  const pcmu = { payloadType: 0, encoding: 'PCMU' };
  t.match(told(), {
    recording: 'r',
    streams: [
      { label: 'a', tag: 'tag-a', address: '192.0.2.9', rtpPort: 30010, rtcpPort: 30011, formats: [pcmu] },
      { label: 'b', tag: 'tag-b', rtpPort: 30000, formats: [pcmu, { payloadType: 101 }] },
    ],
  });
  ports.offer = sdp(30010, '8');
  ports.answer = sdp(30020, '8');
  const back = { 'call-id': 'c', 'from-tag': 'tag-b', 'to-tag': 'tag-a' };
  await client.request({ command: 'offer', ...back, sdp: sdp(5000) });
  await client.request({ command: 'answer', ...back, sdp: sdp(4000) });
  t.match(told().streams, [
    { label: 'a', rtpPort: 30010, formats: [{ payloadType: 8 }, { payloadType: 0 }] },
    { label: 'b', rtpPort: 30020, formats: [{ payloadType: 8 }, pcmu, { payloadType: 101 }] },
    { label: 'b', rtpPort: 30000, formats: [{ payloadType: 8 }, pcmu, { payloadType: 101 }] },
  ]);
});

t.test('a call that is not recorded, or no longer, is told nothing', async (t) => {
  const { client, asked } = setUp(() => ({ sdp: sdp(30000) }));
  await client.request({ command: 'offer', ...ids, sdp: sdp(4000) });
  await client.request({ command: 'answer', ...ids, sdp: sdp(5000) });
  await client.request({ command: 'start recording', 'call-id': 'c', metadata });
  await client.request({ command: 'stop recording', 'call-id': 'c' });
  await client.request({ command: 'answer', ...ids, sdp: sdp(5000) });
  t.equal(asked.filter(({ command }) => command === 'start recording').length, 1);
});

t.test('an answer is given even when rtpengine does not record', async (t) => {
  const { client } = setUp(({ command }) => {
    if (command === 'start recording') throw new Error('no');
    return { sdp: sdp(30000) };
  });
  const answer = { command: 'answer', ...ids, sdp: sdp(5000), 'record call': 'yes', metadata } as const;
  t.match(await client.request(answer), { result: 'ok' });
  await t.rejects(client.request({ command: 'start recording', 'call-id': 'c', metadata }), {
    message: 'no',
  });
});

t.test('of a call of an earlier life of the switch the ports are asked for', async (t) => {
  const stream = (port: number) => ({
    'local port': port,
    'local address': '192.0.2.9',
    'last packet': 0,
    flags: [],
    stats: { packets: 0, bytes: 0, errors: 0 },
  });
  const tag = (name: string, port: number) => ({
    tag: name,
    created: 0,
    medias: [
      { index: 1, type: 'audio', protocol: 'RTP/AVP', flags: [], streams: [stream(port), stream(port + 1)] },
    ],
  });
  const { client, told } = setUp(({ command }) =>
    command === 'query' ? { tags: { 'tag-a': tag('tag-a', 30010), 'tag-b': tag('tag-b', 30000) } } : {},
  );
  await client.request({ command: 'start recording', 'call-id': 'c', metadata });
  t.match(told().streams, [
    { label: 'a', rtpPort: 30010, rtcpPort: 30011 },
    { label: 'b', rtpPort: 30000, address: '192.0.2.9' },
  ]);
});

t.test('when it was started stands for its instance', async (t) => {
  let uptime: unknown = '100';
  const { client } = setUp(({ command }) =>
    command === 'statistics'
      ? ({ statistics: { totalstatistics: { uptime } } } as unknown as NgOk)
      : { result: 'pong' },
  );
  const instance = async () => (await client.request({ command: 'ping' })).instance;
  const first = await instance();
  t.type(first, 'string');
  uptime = '101';
  t.equal(await instance(), first);
  uptime = '0';
  const second = await instance();
  t.not(second, first, 'it was started again');
  uptime = 'nonsense';
  t.equal(await instance(), undefined);
});
