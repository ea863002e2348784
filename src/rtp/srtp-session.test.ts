// Keys that come and change while packets are under way (RFC 4568 section 6.4).
import t from 'tap';
import { buildRtpPacket } from '../testing/packets.ts';
import { SRTP_OVERHEAD_BYTES } from './srtp.ts';
import { masterKeyBytes } from './srtp-keys.ts';
import { SrtpSession } from './srtp-session.ts';
import { SRTP_SUITES } from './srtp-suite.ts';

const suite = SRTP_SUITES[2] ?? SRTP_SUITES[0];
const other = SRTP_SUITES[0];
if (suite === undefined || other === undefined) throw new Error('no suite');
const key = (fill: number, of = suite) => ({ suite: of, master: Buffer.alloc(masterKeyBytes(of), fill) });
const keys = (fill: number, of = suite) => ({ suite: of, keys: [{ master: key(fill, of).master }] });

function protect(session: SrtpSession, sequenceNumber: number): Buffer {
  const packet = buildRtpPacket({
    payloadType: 0,
    sequenceNumber,
    timestamp: 0,
    ssrc: 9,
    payload: new Uint8Array(160),
  });
  const memory = Buffer.concat([packet, Buffer.alloc(SRTP_OVERHEAD_BYTES)]);
  return memory.subarray(0, Math.max(0, session.protect('rtp', memory, 0, packet.length)));
}
const isOpened = (session: SrtpSession, packet: Buffer) =>
  session.open('rtp', Buffer.from(packet), 0, packet.length) >= 0;

t.test('without keys nothing passes, and it is counted', async (t) => {
  const session = new SrtpSession();
  t.equal(protect(session, 1).length, 0);
  t.notOk(isOpened(session, Buffer.alloc(200, 0x80)));
  t.equal(session.refused['no-key'], 2);
});

t.test('the same keys again change nothing', async (t) => {
  const [near, far] = [new SrtpSession(), new SrtpSession()];
  near.send(key(1));
  far.receive(keys(1));
  const first = protect(near, 100);
  t.ok(isOpened(far, first));
  near.send(key(1));
  far.receive(keys(1));
  t.notOk(isOpened(far, first), 'it is known still that this one came');
  t.equal(far.refused.replayed, 1);
  t.equal(protect(near, 100).length, 0, 'and was sent');
  t.ok(isOpened(far, protect(near, 101)));
});

t.test('new keys, another suite: late packets under the old ones are taken for a while', async (t) => {
  const [near, far] = [new SrtpSession(), new SrtpSession()];
  near.send(key(1));
  far.receive(keys(1));
  const late = [1, 2, 3].map((sequenceNumber) => protect(near, sequenceNumber));
  far.receive(keys(2, other));
  near.send(key(2, other));
  t.ok(isOpened(far, late[0] ?? Buffer.alloc(0)), 'before the first new one');
  for (let sequenceNumber = 4; sequenceNumber < 104; sequenceNumber += 1)
    t.ok(isOpened(far, protect(near, sequenceNumber)));
  t.ok(isOpened(far, late[1] ?? Buffer.alloc(0)), 'and after');
  for (let sequenceNumber = 104; sequenceNumber < 304; sequenceNumber += 1)
    t.ok(isOpened(far, protect(near, sequenceNumber)));
  t.notOk(isOpened(far, late[2] ?? Buffer.alloc(0)), 'but not for ever');
});

t.test('forgotten keys open nothing', async (t) => {
  const [near, far] = [new SrtpSession(), new SrtpSession()];
  near.send(key(1));
  far.receive(keys(1));
  const packet = protect(near, 1);
  far.close();
  near.close();
  t.notOk(isOpened(far, packet));
  t.equal(protect(near, 2).length, 0);
});
