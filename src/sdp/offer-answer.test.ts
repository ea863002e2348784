// Offers and answers of a phone, after the examples of RFC 3264 section 10 and RFC 4317.
import t from 'tap';
import { createAnswer, createOffer, type Direction, type LocalAudio } from './offer-answer.ts';
import { parseSdp } from './parse.ts';
import { printSdp } from './print.ts';
import type { SessionDescription } from './session-description.ts';

function parsed(lines: string[]): SessionDescription {
  const result = parseSdp(lines.join('\r\n'));
  if (!result.ok) throw new Error(result.reason);
  return result.sdp;
}

function answered(offer: string[], local: LocalAudio): string[] | undefined {
  const answer = createAnswer(parsed(offer), local);
  return answer === undefined ? undefined : printSdp(answer).trimEnd().split('\r\n');
}

const BOB: LocalAudio = { address: '192.0.2.4', port: 49920, encodings: ['PCMU'] };
const BOBS_HEAD = ['v=0', 'o=- 49920 1 IN IP4 192.0.2.4', 's=-', 'c=IN IP4 192.0.2.4', 't=0 0'];

/** RFC 3264 section 10.1: audio and two video lines. */
const RFC_3264_OFFER = [
  'v=0',
  'o=alice 2890844526 2890844526 IN IP4 host.anywhere.com',
  's=',
  'c=IN IP4 host.anywhere.com',
  't=0 0',
  'm=audio 49170 RTP/AVP 0',
  'a=rtpmap:0 PCMU/8000',
  'm=video 51372 RTP/AVP 31',
  'a=rtpmap:31 H261/90000',
  'm=video 53000 RTP/AVP 32',
  'a=rtpmap:32 MPV/90000',
];

/** RFC 4317 section 2.1. */
const RFC_4317_OFFER = [
  'v=0',
  'o=alice 2890844526 2890844526 IN IP4 host.atlanta.example.com',
  's=',
  'c=IN IP4 host.atlanta.example.com',
  't=0 0',
  'm=audio 49170 RTP/AVP 0 8 97',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:97 iLBC/8000',
  'm=video 51372 RTP/AVP 31 32',
  'a=rtpmap:31 H261/90000',
  'a=rtpmap:32 MPV/90000',
];

t.test('RFC 3264 10.1: as many lines as the offer, the refused ones with port 0', async (t) => {
  t.same(answered(RFC_3264_OFFER, BOB), [
    ...BOBS_HEAD,
    'm=audio 49920 RTP/AVP 0',
    'a=rtpmap:0 PCMU/8000',
    'a=sendrecv',
    'm=video 0 RTP/AVP 31',
    'm=video 0 RTP/AVP 32',
  ]);
});

t.test(
  'RFC 4317 2.1 and 2.2: the formats in common, in our order, under the offered payload types',
  async (t) => {
    t.same(answered(RFC_4317_OFFER, { ...BOB, encodings: ['ILBC', 'G722', 'PCMU'] })?.slice(5), [
      'm=audio 49920 RTP/AVP 97 0',
      'a=rtpmap:97 ILBC/8000',
      'a=rtpmap:0 PCMU/8000',
      'a=sendrecv',
      'm=video 0 RTP/AVP 31 32',
    ]);
  },
);

t.test('RFC 4317 2.4: telephone-event is accepted under its payload type, or passed over', async (t) => {
  const offer = [
    ...RFC_4317_OFFER.slice(0, 5),
    'm=audio 49170 RTP/AVP 0 97 98',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:97 iLBC/8000',
    'a=rtpmap:98 telephone-event/8000',
  ];
  t.same(answered(offer, { ...BOB, telephoneEvent: true })?.slice(5), [
    'm=audio 49920 RTP/AVP 0 98',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:98 telephone-event/8000',
    'a=fmtp:98 0-15',
    'a=sendrecv',
  ]);
  t.equal(answered(offer, BOB)?.[5], 'm=audio 49920 RTP/AVP 0');
});

t.test('RFC 4317 3.1: hold is answered by its reverse, narrowed by our own direction', async (t) => {
  const direction = (offered: string, own?: Direction) => {
    const offer = [...RFC_3264_OFFER.slice(0, 7), `a=${offered}`];
    return answered(offer, { ...BOB, direction: own })?.at(-1);
  };
  t.equal(direction('sendonly'), 'a=recvonly');
  t.equal(direction('recvonly'), 'a=sendonly');
  t.equal(direction('inactive'), 'a=inactive');
  t.equal(direction('sendrecv', 'recvonly'), 'a=recvonly');
  t.equal(direction('sendrecv', 'sendonly'), 'a=sendonly');
  t.equal(direction('sendonly', 'sendonly'), 'a=inactive');
  const byAddress = RFC_3264_OFFER.with(3, 'c=IN IP4 0.0.0.0').slice(0, 7);
  t.equal(answered(byAddress, BOB)?.at(-1), 'a=recvonly');
});

t.test('nothing in common, no audio, secure audio or no address: no answer', async (t) => {
  t.equal(answered(RFC_3264_OFFER, { ...BOB, encodings: ['G722'] }), undefined);
  t.equal(answered(RFC_3264_OFFER.with(5, 'm=audio 0 RTP/AVP 0'), BOB), undefined);
  t.equal(answered(RFC_3264_OFFER.with(5, 'm=audio 49170 RTP/SAVP 0'), BOB), undefined);
  t.equal(answered(RFC_3264_OFFER.toSpliced(3, 1), BOB), undefined);
  t.equal(answered(RFC_3264_OFFER.slice(0, 5), BOB), undefined);
});

t.test('an offer lists its encodings by preference, dynamic ones from 96', async (t) => {
  const offer = createOffer({
    address: '2001:db8::1',
    port: 4000,
    encodings: ['OPUS', 'PCMA', 'ILBC'],
    telephoneEvent: true,
    direction: 'sendonly',
    sessionId: '12',
    sessionVersion: '3',
  });
  t.same(printSdp(offer).trimEnd().split('\r\n'), [
    'v=0',
    'o=- 12 3 IN IP6 2001:db8::1',
    's=-',
    'c=IN IP6 2001:db8::1',
    't=0 0',
    'm=audio 4000 RTP/AVP 96 8 97 101',
    'a=rtpmap:96 OPUS/48000/2',
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:97 ILBC/8000',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=sendonly',
  ]);
  t.ok(createAnswer(offer, { ...BOB, encodings: ['ILBC'] }));
});
