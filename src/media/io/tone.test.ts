// A tone is added to the voice that passes, sample by sample, and stands alone when nothing passes.
import t from 'tap';
import { decodeAlaw, decodeMulaw, encodeAlaw, encodeMulaw } from '../../rtp/g711.ts';
import { buildRtpPacket, readRtpPacket } from '../../testing/packets.ts';
import { chirp } from '../../testing/wav.ts';
import { OwnStream } from './own-stream.ts';
import { LEFT_OUT, mixed, Tone, type TonePlayback, UNTOUCHED } from './tone.ts';

const { mulaw } = chirp(400);
const EVENT = 101;

function setUp(more: Partial<TonePlayback> = {}) {
  const own: Buffer[] = [];
  let isOver = false;
  const playback: TonePlayback = {
    sound: { law: 'PCMU', bytes: mulaw },
    payloadType: 0,
    laws: [
      { payloadType: 0, law: 'PCMU' },
      { payloadType: 118, law: 'PCMA' },
    ],
    others: [9],
    isRecorded: false,
    ...more,
  };
  const tone = new Tone(
    playback,
    new OwnStream(),
    (packet) => own.push(Buffer.from(packet)),
    () => {
      isOver = true;
    },
  );
  const pass = (bytes: Buffer) => {
    // As engines hold it: somewhere in a larger memory.
    const memory = Buffer.concat([Buffer.alloc(7), bytes, Buffer.alloc(7)]);
    const length = tone.mix(memory, 7, 7 + bytes.length);
    return length > 0 ? Buffer.from(mixed.subarray(0, length)) : length;
  };
  return { tone, pass, own, isOver: () => isOver };
}

const voice = (fill: number, payloadType = 0, length = 160) =>
  buildRtpPacket({
    payloadType,
    sequenceNumber: 7,
    timestamp: 9,
    ssrc: 5,
    payload: new Uint8Array(length).fill(fill),
  });
const payloadOf = (packet: Buffer | number) =>
  typeof packet === 'number' ? packet : [...packet.subarray(12)];

t.test('over silence it is heard as it is, and nothing is left of it behind its end', async (t) => {
  const { tone, pass, isOver } = setUp();
  const last = voice(0xff).fill(0x55, 12 + 80);
  const heard = [pass(voice(0xff)), pass(voice(0xff)), pass(last)];
  t.same(heard.flatMap(payloadOf), [...mulaw, ...Array(80).fill(0x55)]);
  t.same(
    heard.map((packet) => typeof packet !== 'number' && packet.toString('hex', 0, 12)),
    Array(3).fill(voice(0).toString('hex', 0, 12)),
    'headers are those of the voice',
  );
  t.equal(pass(voice(0x55)), UNTOUCHED, 'and what follows passes as it came');
  t.notOk(tone.advance(0));
  t.ok(isOver());
});

t.test('over a voice both are heard, within what 16 bits hold', async (t) => {
  const loud = new Int16Array(400).map((_, at) => decodeMulaw(mulaw[at] ?? 0) + decodeMulaw(0x80));
  const { pass } = setUp();
  t.same(
    payloadOf(pass(voice(0x80))),
    [...loud.subarray(0, 160)].map((_, at) =>
      encodeMulaw(Math.min(32767, decodeMulaw(mulaw[at] ?? 0) + 32124)),
    ),
  );
  t.same(
    payloadOf(pass(voice(0x2a, 118))),
    [...mulaw.subarray(160, 320)].map((byte) =>
      encodeAlaw(Math.max(-32768, Math.min(32767, decodeMulaw(byte) + decodeAlaw(0x2a)))),
    ),
    'in the law of the packet',
  );
});

t.test(
  'other RTP: events pass, other voices do not, and headers of any length are passed over',
  async (t) => {
    const { pass } = setUp();
    t.equal(pass(voice(1, EVENT, 4)), UNTOUCHED);
    t.equal(pass(voice(1, 9)), LEFT_OUT);
    t.same(pass(voice(1, 0, 0)), voice(1, 0, 0), 'nothing to add to');
    const plain = voice(0xff, 0, 20);
    const padded = Buffer.concat([plain, Buffer.from([0, 0, 3])]);
    padded[0] = 0xa0;
    t.same([...(pass(padded) as Buffer)].slice(12), [...mulaw.subarray(0, 20), 0, 0, 3], 'padding');
    const extended = Buffer.concat([
      plain.subarray(0, 12),
      Buffer.from('bede000110abcdef', 'hex'),
      plain.subarray(12),
    ]);
    extended[0] = 0x90;
    t.same([...(pass(extended) as Buffer)].slice(20), [...mulaw.subarray(20, 40)], 'an extension');
  },
);

t.test('while nothing passes it comes by itself, and goes over to the voice without a gap', async (t) => {
  const { tone, pass, own, isOver } = setUp();
  for (let now = 0; now <= 90; now += 5) t.ok(tone.advance(now));
  const sent = own.flatMap((bytes) => readRtpPacket(bytes) ?? []);
  t.equal(sent.length, 2, 'from 65 ms on');
  t.notOk(sent.some(({ ssrc }) => ssrc === 5));
  const rest = pass(voice(0xff));
  t.same([...sent.flatMap(({ payload }) => [...payload]), ...(payloadOf(rest) as number[])].slice(0, 400), [
    ...mulaw,
  ]);
  t.notOk(tone.advance(95));
  t.ok(isOver());
});

t.test('alone to its end, which is heard out', async (t) => {
  const { tone, own, isOver } = setUp({ payloadType: 77 });
  let now = 0;
  while (tone.advance(now)) now += 5;
  t.equal(own.length, 3);
  t.ok(isOver() && now >= 65 + 60);
  t.same(
    own.flatMap((bytes) => [...bytes.subarray(12)]),
    [...mulaw, ...Array(80).fill(0xff)],
  );
  t.ok(own.every((bytes) => readRtpPacket(bytes)?.payloadType === 77));
});
