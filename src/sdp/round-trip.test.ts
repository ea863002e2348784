// Properties: print and parse undo each other; no bytes make the parser throw or stall.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { cpuMsOf } from '../testing/cpu-time.ts';
import * as offerAnswer from './offer-answer.ts';
import { parseSdp } from './parse.ts';
import { printSdp } from './print.ts';
import type { Connection, MediaDescription, SessionDescription } from './session-description.ts';

const text = fc
  .string({ unit: 'grapheme', maxLength: 20 })
  .map((value) => value.replace(/[\r\n\0]/g, '').trimEnd());
/** Objects as literals make them. */
const PLAIN = { noNullPrototype: true } as const;
const token = fc.stringMatching(/^[A-Za-z0-9_.-]{1,10}$/);
const digits = fc.bigInt(0n, 2n ** 64n - 1n).map(String);
const optional = <const K extends string, T>(key: K, value: fc.Arbitrary<T>) =>
  fc
    .option(value, { nil: undefined })
    .map((some) => (some === undefined ? {} : { [key]: some })) as fc.Arbitrary<Partial<Record<K, T>>>;

const address = fc.oneof(
  fc.ipV4().map((value) => ({ addressType: 'IP4' as const, address: value })),
  fc.ipV6().map((value) => ({ addressType: 'IP6' as const, address: value })),
  fc.constant({ addressType: 'IP4' as const, address: 'pc7.example.com' }),
);
const connection: fc.Arbitrary<Connection> = fc
  .tuple(address, optional('suffix', fc.constantFrom('127', '127/3')))
  .map(([one, suffix]) => ({ ...one, ...suffix }));
const lines = (...types: string[]) =>
  fc.array(fc.record({ type: fc.constantFrom(...types), value: text }, PLAIN), { maxLength: 3 });
const bandwidths = fc.array(fc.record({ type: token, value: text }, PLAIN), { maxLength: 3 });
const attributes = fc.array(
  fc.tuple(token, optional('value', text)).map(([name, value]) => ({ name, ...value })),
  { maxLength: 6 },
);

const media: fc.Arbitrary<MediaDescription> = fc
  .tuple(
    fc.record({
      media: fc.constantFrom('audio', 'video', 'image', 'x-y'),
      port: fc.integer({ min: 0, max: 65535 }),
      protocol: fc.constantFrom('RTP/AVP', 'RTP/SAVPF', 'udptl'),
      formats: fc.array(token, { maxLength: 5 }),
      bandwidths,
      other: lines('k', 'y', 'X'),
      attributes,
    }),
    optional('portCount', fc.integer({ min: 1, max: 99 })),
    optional('title', text),
    optional('connection', connection),
  )
  .map((parts) => Object.assign({}, ...parts));

const description: fc.Arbitrary<SessionDescription> = fc
  .tuple(
    fc.record({
      origin: fc
        .tuple(token, digits, digits, address)
        .map(([username, sessionId, sessionVersion, at]) => ({ username, sessionId, sessionVersion, ...at })),
      sessionName: text,
      information: lines('i', 'u', 'e', 'p'),
      bandwidths,
      timing: lines('t', 'r', 'z'),
      other: lines('k', 'y', 'X'),
      attributes,
      media: fc.array(media, { maxLength: 4 }),
    }),
    optional('connection', connection),
  )
  .map((parts) => Object.assign({}, ...parts));

t.test('what is printed is parsed as the same value', async (t) => {
  fc.assert(
    fc.property(description, (sdp) => {
      return isDeepStrictEqual(parseSdp(printSdp(sdp)), { ok: true, sdp });
    }),
    { numRuns: 300 },
  );
  t.pass();
});

t.test('any bytes are parsed or refused, and what is parsed is printed and parsed alike', async (t) => {
  let accepted = 0;
  const mutation = fc.record({ at: fc.nat(), drop: fc.nat(8), put: fc.uint8Array({ maxLength: 8 }) });
  fc.assert(
    fc.property(description, fc.array(mutation, { maxLength: 4 }), (sdp, mutations) => {
      let bytes = Buffer.from(printSdp(sdp));
      for (const { at, drop, put } of mutations) {
        const from = at % (bytes.length + 1);
        bytes = Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + drop)]);
      }
      const first = parseSdp(bytes);
      if (!first.ok) return first.reason !== '';
      accepted++;
      exercise(first.sdp);
      const again = parseSdp(printSdp(first.sdp));
      return again.ok && printSdp(again.sdp) === printSdp(first.sdp);
    }),
    { numRuns: 3000 },
  );
  t.ok(accepted > 300, `${accepted} of the mutants were acceptable`);
});

/** Everything a relay and a phone do with a description; none of it may throw. */
function exercise(sdp: SessionDescription): void {
  const audio = offerAnswer.audioOf(sdp);
  for (const one of sdp.media) {
    offerAnswer.rtpFormats(one);
    offerAnswer.directionOf(one, sdp);
    offerAnswer.mediaAddress(sdp, one);
  }
  const redirected = offerAnswer.redirectAudio(sdp, { address: '::1', rtpPort: 30000, rtcpPort: 30001 });
  printSdp(redirected);
  if (audio !== undefined) offerAnswer.keepFormats(sdp, offerAnswer.isSpeech);
  offerAnswer.createAnswer(sdp, { address: '127.0.0.1', port: 4000, encodings: ['PCMA', 'PCMU'] });
  printSdp(offerAnswer.bumpVersion(sdp));
}

t.test('the worst that 64 KiB can hold is handled in milliseconds', async (t) => {
  const head = 'v=0\no=- 1 1 IN IP4 h\nc=IN IP4 10.0.0.1\n';
  const fill = (start: string, unit: string) =>
    `${head}${start}${unit.repeat(65000 / unit.length)}`.slice(0, 65536);
  const worst = [
    fill('a=', ' '),
    fill('o=', ' 1'),
    fill('c=IN IP4 ', 'a.'),
    fill('m=audio 1 RTP/AVP', ' 0'),
    fill('m=audio 1 RTP/AVP 0\na=rtpmap:0 ', ' '),
    fill('m=audio 1 RTP/AVP 0\na=rtpmap:0 ', '/'),
    fill('m=audio 1 RTP/AVP 0\n', 'a=rtpmap:0 PCMU/8000\n'),
    fill('m=audio 1 RTP/AVP 0\n', 'a=fmtp:0 x\n'),
    fill('m=audio 1 RTP/AVP 0\na=rtcp:', '1'),
    fill('', '\r'),
    fill('', '\n'),
  ];
  for (const input of worst) {
    const took = cpuMsOf(() => {
      const result = parseSdp(input);
      if (result.ok) exercise(result.sdp);
    });
    t.ok(took < 200, `${JSON.stringify(input.slice(38, 70))}: ${took.toFixed(1)} ms`);
  }
});
