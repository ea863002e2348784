// What a rough voice says it sent is what it sent, and its seed tells what goes wrong.
import t from 'tap';
import { Random } from '../sip/fuzz.ts';
import { type RtpFields, readRtpPacket } from './packets.ts';
import { PACKET_SAMPLES, type Roughness, RoughVoice, speechOf } from './rough-voice.ts';

const SMOOTH: Roughness = {
  ppm: 0,
  lossPercent: 0,
  reorderPercent: 0,
  duplicatePercent: 0,
  stallPercent: 0,
  silencePercent: 0,
  codecPercent: 0,
  sourcePercent: 0,
  payloadTypes: [0],
};
const ROUGH: Roughness = {
  ppm: 200,
  lossPercent: 5,
  reorderPercent: 10,
  duplicatePercent: 10,
  stallPercent: 1,
  silencePercent: 2,
  codecPercent: 5,
  sourcePercent: 1,
  payloadTypes: [0, 8],
};
const PACKET_US = 20_000;

interface Fate {
  seed?: number;
  mayReceive?: () => boolean;
  isMuted?: boolean;
}

/** So many packets' time, looked at every 4 ms. */
function speak(
  roughness: Roughness,
  packets: number,
  { seed = 1, mayReceive = () => true, isMuted = false }: Fate = {},
) {
  const sent: RtpFields[] = [];
  const voice = new RoughVoice({
    seed,
    roughness,
    random: new Random(seed),
    mayReceive,
    send: (bytes) => {
      const packet = readRtpPacket(bytes);
      if (packet !== undefined) sent.push(packet);
    },
  });
  for (let at = 0; at < packets * PACKET_US; at += 4000) {
    voice.mute(isMuted);
    voice.tick(1e9 + at);
  }
  return { voice, sent };
}

t.test('without anything wrong: every packet in its time', async (t) => {
  const { voice, sent } = speak(SMOOTH, 100);
  t.equal(sent.length, 100);
  for (const [index, { at, sentAt, number }] of voice.said.entries())
    t.same([at, sentAt, number], [1e9 + index * PACKET_US, 1e9 + index * PACKET_US, index]);
  const [first] = sent;
  for (const [index, packet] of sent.entries()) {
    t.equal(packet.timestamp, ((first?.timestamp ?? 0) + index * PACKET_SAMPLES) >>> 0);
    t.equal(packet.sequenceNumber, ((first?.sequenceNumber ?? 0) + index) & 0xffff);
    t.same(Buffer.from(packet.payload), speechOf(1, index));
  }
});

t.test('a fast clock has more packets in the same time', async (t) => {
  t.equal(speak({ ...SMOOTH, ppm: 50_000 }, 100).sent.length, 105);
  t.equal(speak({ ...SMOOTH, ppm: -50_000 }, 100).sent.length, 95);
});

t.test('the diary tells what left and what did not', async (t) => {
  const { voice, sent } = speak(ROUGH, 2000);
  const left = voice.said.filter(({ sentAt }) => sentAt !== undefined);
  const contents = new Set(sent.map(({ payload }) => Buffer.from(payload).toString('hex')));
  for (const said of voice.said) {
    const isThere = contents.has(speechOf(1, said.number).toString('hex'));
    // What was held up when it ended is not decided yet.
    if (said.number < 1950)
      t.equal(isThere, said.sentAt !== undefined && !said.lost, `packet ${said.number}`);
  }
  const count = (is: (said: (typeof left)[number]) => boolean) => left.filter(is).length;
  t.ok(
    voice.said.some(({ lost }) => lost),
    'some are lost',
  );
  t.ok(count(({ isTwice }) => isTwice) > 50, 'some come twice');
  t.ok(sent.length > left.length);
  const lateness = left.map(({ at, sentAt }) => (sentAt ?? 0) - at);
  t.ok(lateness.filter((late) => late > PACKET_US).length > 50, 'some come late');
  t.ok(Math.max(...lateness) > 400_000, 'some stand still for long');
  t.equal(new Set(left.map(({ payloadType }) => payloadType)).size, 2);
  t.ok(new Set(sent.map(({ ssrc }) => ssrc)).size > 3);
  t.ok(voice.said.length < 1900, 'some are not spoken at all');
});

t.test('the same seed, the same fate', async (t) => {
  const of = (seed: number) => speak(ROUGH, 100, { seed }).voice.said;
  t.same(of(7), of(7));
  t.notSame(of(7), of(8));
});

t.test('nothing is sent to who does not want it, or while it is muted, and its clock goes on', async (t) => {
  let asked = 0;
  const { sent } = speak(SMOOTH, 100, { mayReceive: () => ++asked > 50 });
  t.ok(sent.length > 20 && sent.length < 80, `${sent.length}`);
  const numbers = sent.map(({ sequenceNumber }) => sequenceNumber);
  t.equal(((numbers.at(-1) ?? 0) - (numbers[0] ?? 0)) & 0xffff, sent.length - 1);
  t.equal(speak(SMOOTH, 100, { isMuted: true }).sent.length, 0);
});
