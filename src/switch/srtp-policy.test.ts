// What is said of SRTP with the parties of a call: when the media server has to stand between, and what is refused.
import t from 'tap';
import type { SrtpWord } from '../dn-settings.ts';
import { answered, settle, setUp } from './call-fixture.ts';
import { isSameMedia } from './media-compare.ts';
import { requestRecording } from './recording-requests.ts';
import { spokenIn } from './srtp-policy.ts';

const KEY = Buffer.alloc(30, 1).toString('base64');
const OTHER_KEY = Buffer.alloc(30, 2).toString('base64');
const head = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n';
const crypto = (key: string) => `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key}\r\n`;
const PLAIN = `${head}m=audio 4000 RTP/AVP 0\r\n`;
const EITHER = `${PLAIN}${crypto(KEY)}`;
const SECURE = `${head}m=audio 4000 RTP/SAVP 0\r\n${crypto(KEY)}`;
const OFFERS = { plain: PLAIN, either: EITHER, srtp: SECURE } as const;

t.test('what a description speaks', async (t) => {
  for (const [spoken, sdp] of Object.entries(OFFERS)) t.equal(spokenIn(Buffer.from(sdp)), spoken);
  t.equal(spokenIn(Buffer.from(`${head}m=video 4000 RTP/AVP 96\r\n`)), undefined);
  t.equal(spokenIn(Buffer.from('nonsense')), undefined);
  t.equal(spokenIn(undefined), undefined);
});

t.test('the media server stands between whenever the two differ', async (t) => {
  const table: [from: SrtpWord, to: SrtpWord, anchored: (keyof typeof OFFERS)[]][] = [
    ['pass', 'pass', []],
    ['pass', 'off', ['either', 'srtp']],
    ['pass', 'offer', ['plain', 'srtp']],
    ['pass', 'require', ['plain', 'either']],
    ['off', 'pass', []],
    ['require', 'pass', ['either']],
    ['require', 'require', ['either']],
  ];
  for (const [from, to, anchored] of table)
    for (const [spoken, offer] of Object.entries(OFFERS)) {
      const isForbidden = from === 'require' && spoken === 'plain';
      const { call, invite } = setUp({ record: false, offer, srtp: { 7002: from, 7001: to } });
      await call.begin();
      const what = `${spoken} from ${from} to ${to}`;
      if (isForbidden) t.same(invite.sent, ['488'], what);
      else t.equal(call.media.anchored, anchored.includes(spoken as keyof typeof OFFERS), what);
      call.release('switch', 480, 'enough');
    }
});

t.test('without an offer nobody knows yet: anything said has the media anchored', async (t) => {
  for (const [srtp, anchored] of [
    [{}, false],
    [{ 7001: 'off' }, true],
    [{ 7002: 'require' }, true],
  ] as const) {
    const { call } = setUp({ record: false, offer: '', srtp });
    await call.begin();
    t.equal(call.media.anchored, anchored);
    call.release('switch', 480, 'enough');
  }
});

t.test('a media server that is lost ends a call that it stands between, and no other', async (t) => {
  const lost = setUp({ record: false, offer: SECURE, srtp: { 7001: 'off' }, failing: ['offer'] });
  await lost.call.begin();
  await lost.released;
  t.same(lost.invite.sent, ['503']);
  t.same(lost.userAgent.sent, [], 'nobody was shown a description that is not for it');
  const late = setUp({ record: false, offer: PLAIN, srtp: { 7001: 'require' }, failing: ['answer'] });
  await late.call.begin();
  late.userAgent.accept(SECURE);
  await late.released;
  t.same(late.invite.sent, ['503']);
  t.ok(late.userAgent.dialog.sent.includes('BYE'));
  const other = setUp({ offer: SECURE, failing: ['offer'] });
  await other.call.begin();
  t.same(other.userAgent.sent.length, 1, 'where nothing is said it goes on, and its recording has failed');
  other.call.release('switch', 480, 'enough');
});

t.test('after its recording a call with keys stays where it is', async (t) => {
  for (const [offer, moves] of [
    [SECURE, false],
    [PLAIN, true],
  ] as const) {
    const { call } = await answered({ offer, answer: offer });
    await settle();
    await requestRecording(call, 'stop', { reason: 'test' });
    t.equal(call.media.anchored, !moves);
    call.release('switch', 200, 'enough');
  }
});

t.test('other keys are other media', async (t) => {
  const changed = Buffer.from(SECURE.replace(KEY, OTHER_KEY));
  t.ok(isSameMedia(Buffer.from(SECURE), Buffer.from(SECURE.replace('o=- 1 1', 'o=- 1 2'))));
  t.notOk(isSameMedia(Buffer.from(SECURE), changed));
});
