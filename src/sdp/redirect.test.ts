// Rewriting on the way through a relay: the audio is redirected, all else refused but kept in its place.
import t from 'tap';
import { bumpVersion, continueSession, keepFormats, redirectAudio } from './offer-answer.ts';
import { parseSdp } from './parse.ts';
import { printSdp } from './print.ts';
import type { SessionDescription } from './session-description.ts';

const HEAD = ['v=0', 'o=alice 1 7 IN IP4 10.1.1.1', 's=-'];
const TARGET = { address: '192.0.2.9', rtpPort: 30000, rtcpPort: 30001 };

function parsed(lines: string[]): SessionDescription {
  const result = parseSdp(lines.join('\n'));
  if (!result.ok) throw new Error(result.reason);
  return result.sdp;
}

function printed(sdp: SessionDescription | undefined): string[] | undefined {
  return sdp === undefined ? undefined : printSdp(sdp).trimEnd().split('\r\n');
}

t.test('transport-bound attributes go, the rest stays, other media lines are refused', async (t) => {
  const before = parsed([
    ...HEAD,
    'c=IN IP4 10.1.1.1',
    't=0 0',
    'a=group:BUNDLE a v',
    'a=ice-lite',
    'a=fingerprint:sha-256 AA',
    'a=tool:x',
    'm=video 5004/2 RTP/AVP 96',
    'c=IN IP4 10.1.1.2',
    'a=rtpmap:96 H264/90000',
    'a=candidate:1 1 UDP 1 10.1.1.2 5004 typ host',
    'm=audio 4000/2 RTP/AVP 8 101',
    'c=IN IP4 10.1.1.3',
    'b=AS:80',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    'a=rtcp:4007',
    'a=rtcp-mux',
    'a=candidate:1 1 UDP 1 10.1.1.3 4000 typ host',
    'a=end-of-candidates',
    'a=ice-ufrag:u',
    'a=ice-pwd:p',
    'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:key',
    'a=setup:actpass',
    'a=sendonly',
    'a=X-vendor:1',
    'm=image 6000 udptl t38',
    'a=T38FaxVersion:0',
    'm=audio 7000 RTP/AVP 0',
  ]);
  const copy = structuredClone(before);
  t.same(printed(redirectAudio(before, TARGET)), [
    ...HEAD,
    'c=IN IP4 192.0.2.9',
    't=0 0',
    'a=tool:x',
    'm=video 0 RTP/AVP 96',
    'a=rtpmap:96 H264/90000',
    'm=audio 30000 RTP/AVP 8 101',
    'b=AS:80',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    'a=sendonly',
    'a=X-vendor:1',
    'm=image 0 udptl t38',
    'a=T38FaxVersion:0',
    'm=audio 0 RTP/AVP 0',
  ]);
  t.strictSame(before, copy, 'the original is left as it was');
});

t.test('an IPv6 target and an odd RTCP port are written out', async (t) => {
  const sdp = parsed([...HEAD, 'm=audio 4000 RTP/AVP 0', 'c=IN IP4 10.1.1.3']);
  t.same(printed(redirectAudio(sdp, { address: '2001:db8::9', rtpPort: 30000, rtcpPort: 30007 })), [
    ...HEAD,
    'c=IN IP6 2001:db8::9',
    'm=audio 30000 RTP/AVP 0',
    'a=rtcp:30007',
  ]);
});

t.test('a hold by 0.0.0.0 outlives its address, as a direction', async (t) => {
  const held = (...lines: string[]) => {
    const out = redirectAudio(
      parsed([...HEAD, 'c=IN IP4 0.0.0.0', 'm=audio 4000 RTP/AVP 0', ...lines]),
      TARGET,
    );
    return out.media[0]?.attributes;
  };
  t.same(held(), [{ name: 'sendonly' }]);
  t.same(held('a=sendrecv', 'a=ptime:20'), [{ name: 'ptime', value: '20' }, { name: 'sendonly' }]);
  t.same(held('a=recvonly'), [{ name: 'inactive' }]);
});

t.test('without audio every line is refused', async (t) => {
  const sdp = parsed([...HEAD, 'm=image 6000 udptl t38', 'm=audio 0 RTP/AVP 0']);
  t.same(
    redirectAudio(sdp, TARGET).media.map(({ port }) => port),
    [0, 0],
  );
});

const CODECS = [
  ...HEAD,
  'm=audio 4000 RTP/AVP 0 97 101 8',
  'a=rtpmap:97 opus/48000/2',
  'a=fmtp:97 useinbandfec=1',
  'a=rtcp-fb:97 nack',
  'a=rtcp-fb:* ccm',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-15',
  'a=ptime:20',
  'm=video 5004 RTP/AVP 97',
  'a=rtpmap:97 H264/90000',
];

t.test('formats are kept with what belongs to them, on the audio line alone', async (t) => {
  const wanted = new Set(['PCMU', 'PCMA', 'TELEPHONE-EVENT']);
  t.same(printed(keepFormats(parsed(CODECS), ({ encoding }) => wanted.has(encoding))), [
    ...HEAD,
    'm=audio 4000 RTP/AVP 0 101 8',
    'a=rtcp-fb:* ccm',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    'm=video 5004 RTP/AVP 97',
    'a=rtpmap:97 H264/90000',
  ]);
  t.same(
    keepFormats(parsed(CODECS), () => true),
    parsed(CODECS),
  );
});

t.test('nothing that can speak left, or no audio at all: undefined', async (t) => {
  t.equal(
    keepFormats(parsed(CODECS), () => false),
    undefined,
  );
  t.equal(
    keepFormats(parsed(CODECS), ({ encoding }) => encoding === 'TELEPHONE-EVENT'),
    undefined,
  );
  t.equal(
    keepFormats(parsed([...HEAD, 'm=image 6000 udptl t38']), () => true),
    undefined,
  );
});

t.test('a session that goes on keeps its origin and counts its versions', async (t) => {
  const first = parsed([...HEAD, 'm=audio 4000 RTP/AVP 0']);
  t.equal(continueSession(undefined, first), first);
  const same = parsed([...HEAD.with(1, 'o=bob 9 9 IN IP4 10.2.2.2'), 'm=audio 4000 RTP/AVP 0']);
  t.same(continueSession(first, same), first);
  const changed = continueSession(first, parsed([...HEAD, 'm=audio 4000 RTP/AVP 0', 'a=sendonly']));
  t.match(changed, { origin: { username: 'alice', sessionId: '1', sessionVersion: '8' } });
  t.same(changed.media[0]?.attributes, [{ name: 'sendonly' }]);
});

t.test('versions count beyond what a number holds', async (t) => {
  const sdp = parsed(['v=0', 'o=- 1 18446744073709551615 IN IP4 h']);
  t.equal(bumpVersion(sdp).origin.sessionVersion, '18446744073709551616');
  t.equal(sdp.origin.sessionVersion, '18446744073709551615');
});
