// What the media server is asked for a call: where the parties may send from, and one thing at a time.
import t from 'tap';
import type { NgRequest } from '../ng/request.ts';
import { anchoredMedia } from './call-media.ts';
import { Leg } from './leg.ts';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 18\r\n';
const party = { number: '', uri: '', name: undefined, dn: undefined, trunk: undefined };
const LEGS = {
  a: new Leg({ label: 'a', tag: 'call-a', party, source: '198.51.100.7' }),
  b: new Leg({ label: 'b', tag: 'call-b', party, source: '2001:db8::7' }),
};

t.test('each party is expected at its signalling too', async (t) => {
  const asked: NgRequest[] = [];
  const request = async (one: NgRequest) => {
    asked.push(one);
    return { result: 'ok', sdp: 'v=0' } as const;
  };
  const media = anchoredMedia({ request }, 'call', LEGS);
  await media.offer('a', Buffer.from(SDP));
  await media.answer('b', Buffer.from(SDP));
  t.match(asked, [
    { command: 'offer', 'from-tag': 'call-a', 'received-from': ['IP4', '198.51.100.7'], sdp: /RTP\/AVP 0\r/ },
    { command: 'answer', 'from-tag': 'call-a', 'to-tag': 'call-b', 'received-from': ['IP6', '2001:db8::7'] },
  ]);
});

const CRYPTO = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${Buffer.alloc(30).toString('base64')}\r\n`;
const SECURE = `${SDP.replace('AVP', 'SAVP')}${CRYPTO}`;

t.test('a party is offered what is said of SRTP with it', async (t) => {
  const asked: NgRequest[] = [];
  const request = async (one: NgRequest) => {
    asked.push(one);
    return { result: 'ok', sdp: 'v=0' } as const;
  };
  for (const [word, told] of [
    ['pass', { 'transport protocol': undefined, OSRTP: undefined }],
    ['off', { 'transport protocol': 'RTP/AVP', OSRTP: ['off'] }],
    ['offer', { 'transport protocol': 'RTP/AVP', OSRTP: ['offer'] }],
    ['require', { 'transport protocol': 'RTP/SAVP', OSRTP: undefined }],
  ] as const) {
    const media = anchoredMedia({ request }, 'call', LEGS, [], (one) => (one === party ? 'pass' : word));
    LEGS.b.party = { ...party };
    await media.offer('a', Buffer.from(SECURE));
    t.match(asked.pop(), { command: 'offer', ...told });
    await media.offer('b', Buffer.from(SECURE));
    t.match(asked.pop(), { 'transport protocol': undefined });
  }
});

t.test('of a party that requires SRTP plain lines are refused, and an offer of nothing else', async (t) => {
  const asked: NgRequest[] = [];
  const request = async (one: NgRequest) => {
    asked.push(one);
    return { result: 'ok', sdp: 'v=0' } as const;
  };
  const media = anchoredMedia({ request }, 'call', LEGS, [], () => 'require');
  const both = `${SDP}m=audio 4002 RTP/SAVP 0\r\n${CRYPTO}`;
  await media.offer('a', Buffer.from(both));
  t.match(asked.pop(), { sdp: /m=audio 0 RTP\/AVP 0 18\r\nm=audio 4002 RTP\/SAVP 0\r\na=crypto:1 / });
  await t.rejects(media.offer('a', Buffer.from(SDP)), { code: 'SDP_INVALID', message: /SRTP is required/ });
});

t.test('a release waits for the offer that is under way, even when that fails', async (t) => {
  const asked: string[] = [];
  const gate = Promise.withResolvers<never>();
  const request = async ({ command }: NgRequest) => {
    asked.push(command);
    return command === 'offer' ? gate.promise : ({ result: 'ok' } as const);
  };
  const media = anchoredMedia({ request }, 'call', LEGS);
  const offer = media.offer('a', Buffer.from(SDP));
  const release = media.release();
  await new Promise((resolve) => setImmediate(resolve));
  t.same(asked, ['offer']);
  gate.reject(new Error('no answer'));
  await t.rejects(offer, { message: 'no answer' });
  await release;
  t.same(asked, ['offer', 'delete']);
});
