// One session towards each party, whoever describes the other side (RFC 3264 section 8).
import t from 'tap';
import { SdpOrigin } from './sdp-origin.ts';

const describe = (origin: string, rest = 'm=audio 4000 RTP/AVP 0') =>
  Buffer.from(`v=0\r\no=${origin}\r\ns=-\r\nt=0 0\r\n${rest}\r\n`);
const originIn = (sdp: Buffer) => /\r\no=(.*)\r\n/.exec(sdp.toString())?.[1];

t.test('the version counts up when something else than the origin changes, and only then', async (t) => {
  const origin = new SdpOrigin({ id: '77', version: 0 });
  t.equal(originIn(origin.stamp(describe('alice 1 1 IN IP4 192.0.2.1'))), '- 77 1 IN IP4 192.0.2.1');
  t.equal(originIn(origin.stamp(describe('alice 1 9 IN IP4 192.0.2.1'))), '- 77 1 IN IP4 192.0.2.1');
  t.equal(originIn(origin.stamp(describe('- 5 5 IN IP4 192.0.2.9'))), '- 77 2 IN IP4 192.0.2.9');
  t.equal(
    originIn(origin.stamp(describe('- 5 5 IN IP4 192.0.2.9', 'm=audio 4002 RTP/AVP 0'))),
    '- 77 3 IN IP4 192.0.2.9',
  );
  t.same(origin.state, { id: '77', version: 3 });
});

t.test('after a restart the first description counts as a change', async (t) => {
  const origin = new SdpOrigin({ id: '77', version: 3 });
  t.equal(originIn(origin.stamp(describe('- 5 5 IN IP4 192.0.2.9'))), '- 77 4 IN IP4 192.0.2.9');
});

t.test('nothing but the origin is touched, and what has none is left alone', async (t) => {
  const origin = new SdpOrigin({ id: '1', version: 0 });
  const bare = Buffer.from('v=0\no=x 1 1 IN IP6 ::1\ns=\u00e9\n', 'latin1');
  t.equal(origin.stamp(bare).toString('latin1'), 'v=0\no=- 1 1 IN IP6 ::1\ns=\u00e9\n');
  for (const text of ['', 'v=0', 'no description', 'v=0\r\no=cut']) {
    const bytes = Buffer.from(text);
    t.equal(origin.stamp(bytes), bytes);
  }
});
