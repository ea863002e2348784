// Offers narrowed and reordered by the names of encodings: what is left keeps its attributes, and nothing is invented.
import t from 'tap';
import { parseSdp } from './parse.ts';
import { printSdp } from './print.ts';
import { type FormatChoice, selectFormats } from './select-formats.ts';

const OFFER = [
  'v=0',
  'o=alice 1 7 IN IP4 10.1.1.1',
  's=-',
  'c=IN IP4 10.1.1.1',
  't=0 0',
  'm=audio 4000 RTP/AVP 96 9 0 8 101',
  'a=rtpmap:96 opus/48000/2',
  'a=fmtp:96 useinbandfec=1',
  'a=rtpmap:101 telephone-event/8000',
  'a=ptime:20',
];

function choose(choice: Partial<FormatChoice>): string[] | undefined {
  const parsed = parseSdp(OFFER.join('\n'));
  if (!parsed.ok) throw new Error(parsed.reason);
  const chosen = selectFormats(parsed.sdp, { strip: [], except: [], first: [], ...choice });
  return chosen && printSdp(chosen).trimEnd().split('\r\n').slice(5);
}

const EVENT = 'a=rtpmap:101 telephone-event/8000';
const OPUS = ['a=rtpmap:96 opus/48000/2', 'a=fmtp:96 useinbandfec=1'];

t.test('what is stripped goes with its attributes', async (t) => {
  t.same(choose({ strip: ['opus', 'g722'] }), ['m=audio 4000 RTP/AVP 0 8 101', EVENT, 'a=ptime:20']);
  t.same(choose({ strip: ['opus/48000/2'] })?.[0], 'm=audio 4000 RTP/AVP 9 0 8 101');
  t.same(choose({ strip: ['opus/8000', 'opus/48000/1', 'speex'] })?.[0], 'm=audio 4000 RTP/AVP 96 9 0 8 101');
});

t.test('all are stripped but those that are excepted', async (t) => {
  t.same(choose({ strip: ['all'], except: ['PCMA', 'telephone-event'] }), [
    'm=audio 4000 RTP/AVP 8 101',
    EVENT,
    'a=ptime:20',
  ]);
});

t.test('those that are offered come first, in their order', async (t) => {
  t.same(choose({ first: ['PCMA', 'PCMU'] }), [
    'm=audio 4000 RTP/AVP 8 0 96 9 101',
    ...OPUS,
    EVENT,
    'a=ptime:20',
  ]);
  t.same(choose({ strip: ['full'], first: ['PCMU', 'opus'] }), [
    'm=audio 4000 RTP/AVP 0 96',
    ...OPUS,
    'a=ptime:20',
  ]);
});

t.test('an offer without speech is none', async (t) => {
  t.equal(choose({ strip: ['all'] }), undefined);
  t.equal(choose({ strip: ['all'], except: ['telephone-event'] }), undefined);
  t.equal(choose({ strip: ['all'], first: ['all'] }), undefined, 'all is no encoding that can be offered');
});
