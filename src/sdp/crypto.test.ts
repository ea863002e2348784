// a=crypto by literal lines: what is taken, and what is refused with a reason that tells no key (RFC 4568).
import fc from 'fast-check';
import t from 'tap';
import { cpuMsOf } from '../testing/cpu-time.ts';
import { cryptoLines, parseCrypto, printCrypto, withProtocol } from './crypto.ts';
import { parseSdp } from './parse.ts';
import { printSdp } from './print.ts';

const KEY = 'WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz';
const KEY_BYTES = Buffer.from(KEY, 'base64');
const taken = (value: string) => {
  const parsed = parseCrypto(value);
  return parsed.ok ? parsed.line : parsed.reason;
};

t.test('the lines of RFC 4568 section 4 and 6', async (t) => {
  t.strictSame(taken(`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^20|1:4`), {
    tag: 1,
    suite: 'AES_CM_128_HMAC_SHA1_80',
    keys: [{ keyAndSalt: KEY_BYTES, mki: Buffer.of(0, 0, 0, 1) }],
  });
  const other = 'MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm';
  t.match(taken(`3 F8_128_HMAC_SHA1_80 inline:${KEY}|2^20|1:4;inline:${other}|2^20|2:4`), {
    suite: 'F8_128_HMAC_SHA1_80',
    keys: [{ mki: Buffer.of(0, 0, 0, 1) }, { mki: Buffer.of(0, 0, 0, 2) }],
  });
});

t.test('lifetime, MKI and spaces', async (t) => {
  const keyed = (rest: string) => taken(`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}${rest}`);
  for (const rest of [
    '',
    '|2^48',
    '|1048576',
    '|1:1',
    '|2^20|65535:2',
    ' WSH=128',
    ' -X=1',
    ' ',
    '  WSH=64\t-Y',
  ])
    t.type(keyed(rest), 'object', JSON.stringify(rest));
  t.match(keyed('|258:2'), { keys: [{ mki: Buffer.of(1, 2) }] });
  t.type(taken(`000000001   AES_CM_128_HMAC_SHA1_32\tINLINE:${KEY}`), 'object');
});

t.test('what cannot be had is refused, and the reason tells no key', async (t) => {
  const lines: [string, RegExp][] = [
    ['', /not tag, suite and key/],
    [`x AES_CM_128_HMAC_SHA1_80 inline:${KEY}`, /not tag/],
    [`1234567890 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`, /not tag/],
    ['1 AES_CM_128_HMAC_SHA1_80', /not tag/],
    [`1 ${'A'.repeat(65)} inline:${KEY}`, /not tag/],
    [`1 AES_CM_128_HMAC_SHA1_80 outline:${KEY}`, /not inline/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}*`, /not Base64/],
    ['1 AES_CM_128_HMAC_SHA1_80 inline:', /not Base64/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${'A'.repeat(132)}`, /not Base64/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|0`, /lifetime/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^49`, /lifetime/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^20|2^21`, /more than/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:0`, /MKI/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:129`, /MKI/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|256:1`, /MKI/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY};inline:${KEY}`, /without MKIs/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:1;inline:${KEY}|1:2`, /without MKIs/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:1;inline:${KEY}|1:1`, /one MKI/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${Array(17).fill(`inline:${KEY}|1:1`).join(';')}`, /over 16 keys/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} KDR=1`, /KDR/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} UNENCRYPTED_SRTCP`, /UNENCRYPTED_SRTCP/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} UNAUTHENTICATED_SRTP`, /UNAUTHENTICATED_SRTP/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} FEC_KEY=inline:${KEY}`, /FEC_KEY/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} WSH=x`, /window/],
    [`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} ${'x'.repeat(2048)}`, /over 2048/],
  ];
  for (const [value, reason] of lines) {
    const said = taken(value);
    t.match(said, reason, value.slice(0, 80));
    t.notMatch(JSON.stringify(said), KEY);
  }
});

t.test('any line at all is read in no time, and never quoted', async (t) => {
  const piece = fc.constantFrom(
    '1',
    ' ',
    'inline:',
    KEY,
    '|',
    '2^',
    ':',
    ';',
    'AES_CM_128_HMAC_SHA1_80',
    '=',
    '\t',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 60 }), (pieces) => {
      const parsed = parseCrypto(pieces.join(''));
      return parsed.ok || !parsed.reason.includes(KEY.slice(0, 20));
    }),
  );
  for (const worst of [`1 A ${'a '.repeat(1000)}`, `1 A inline:${'A'.repeat(2000)}`]) {
    const ms = cpuMsOf(() => void parseCrypto(worst));
    t.ok(ms < 50, `${ms.toFixed(1)} ms`);
  }
});

t.test('the lines of an audio line, each tag once', async (t) => {
  const lines = [`1 A inline:${KEY}`, '2 B inline:*', `1 C inline:${KEY}`, `3 D inline:${KEY}`];
  const attributes = lines.map((value) => ({ name: 'crypto', value }));
  const media = {
    media: 'audio',
    port: 4,
    protocol: 'RTP/SAVP',
    formats: ['0'],
    bandwidths: [],
    other: [],
    attributes,
  };
  const { lines: read, refused } = cryptoLines(media);
  t.same(
    read.map(({ tag, suite }) => [tag, suite]),
    [
      [1, 'A'],
      [3, 'D'],
    ],
  );
  t.same(refused, ['a key that is not Base64', 'tag 1 twice']);
});

t.test('what is printed is read back', async (t) => {
  const text = printCrypto({ tag: 4, suite: 'AEAD_AES_128_GCM', keyAndSalt: KEY_BYTES });
  t.equal(text, `4 AEAD_AES_128_GCM inline:${KEY}`);
  t.match(taken(text), { tag: 4, suite: 'AEAD_AES_128_GCM', keys: [{ keyAndSalt: KEY_BYTES }] });
});

t.test('a description that cannot be printed is told without its keys', async (t) => {
  const parsed = parseSdp('v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\nm=audio 4 RTP/SAVP 0\n');
  if (!parsed.ok) return t.fail(parsed.reason);
  const attributes = [{ name: 'crypto', value: `1 A inline:${KEY}\r\n` }];
  const [audio] = parsed.sdp.media;
  const print = () => printSdp(withProtocol(parsed.sdp, audio, 'RTP/SAVP', attributes));
  t.throws(print, { code: 'SDP_INVALID', message: 'a line break within "a=crypto:1 A inline:…"' });
});

t.test('another protocol takes its attributes, and leaves feedback behind', async (t) => {
  const parsed = parseSdp(
    'v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\nm=audio 4 RTP/SAVPF 0\na=rtcp-fb:0 nack\na=ptime:20\n',
  );
  if (!parsed.ok) return t.fail(parsed.reason);
  const [audio] = parsed.sdp.media;
  const plain = withProtocol(parsed.sdp, audio, 'RTP/AVP', [{ name: 'crypto', value: 'x' }]);
  t.same(plain.media[0]?.attributes, [
    { name: 'ptime', value: '20' },
    { name: 'crypto', value: 'x' },
  ]);
  t.equal(plain.media[0]?.protocol, 'RTP/AVP');
  t.equal(withProtocol(parsed.sdp, audio, 'RTP/AVPF', []).media[0]?.attributes.length, 2);
});
