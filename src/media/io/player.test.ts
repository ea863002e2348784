// A sound is sent at its own pace, as a source of its own, to its last sample.
import t from 'tap';
import { readRtpPacket } from '../../testing/packets.ts';
import { chirp } from '../../testing/wav.ts';
import { OwnStream } from './own-stream.ts';
import { type Playback, Player } from './player.ts';

const { mulaw } = chirp(500);

function setUp(more: Partial<Playback> = {}, stream = new OwnStream()) {
  const sent: { at: number; bytes: Buffer }[] = [];
  let [now, isOver] = [0, false];
  const playback = {
    sound: { law: 'PCMU' as const, bytes: mulaw },
    payloadType: 0,
    startAt: 0,
    times: 1,
    ...more,
  };
  const player = new Player(
    playback,
    stream,
    (packet) => sent.push({ at: now, bytes: Buffer.from(packet) }),
    () => {
      isOver = true;
    },
  );
  const at = (time: number) => {
    now = time;
    return player.advance(time);
  };
  const packets = () => sent.flatMap(({ bytes }) => readRtpPacket(bytes) ?? []);
  const audio = () => Buffer.concat(packets().map(({ payload }) => payload));
  return { at, sent, packets, audio, isOver: () => isOver };
}

t.test('a packet each 20 ms, whatever the timer does', async (t) => {
  const { at, sent, audio, isOver } = setUp();
  for (const time of [1000, 1007, 1019, 1021, 1041, 1044, 1066]) t.ok(at(time));
  t.same(
    sent.map((one) => one.at),
    [1000, 1021, 1041, 1066],
  );
  t.notOk(isOver(), 'its last packet is being heard');
  t.notOk(at(1080));
  t.ok(isOver());
  t.same(
    audio(),
    Buffer.concat([mulaw, Buffer.alloc(140, 0xff)]),
    'to the last sample, and silence behind it',
  );
});

t.test('a loop that was held up catches up with little, and bursts with nothing', async (t) => {
  const little = setUp();
  little.at(0);
  little.at(65);
  t.equal(little.sent.length, 4);
  const much = setUp({ times: 100 });
  much.at(0);
  much.at(5000);
  t.equal(much.sent.length, 2);
});

t.test('several times without a gap, the first one from where it is wanted', async (t) => {
  const { at, audio } = setUp({ startAt: 80, times: 3 });
  for (let time = 0; at(time); time += 20);
  t.same(audio().subarray(0, 1420), Buffer.concat([mulaw.subarray(80), mulaw, mulaw]));
});

t.test('one source for all sounds of a port: numbers go on, timestamps with the clock', async (t) => {
  const stream = new OwnStream();
  const first = setUp({}, stream);
  for (let time = 0; first.at(time); time += 20);
  const second = setUp({ payloadType: 118 }, stream);
  second.at(1060);
  const [one, ...others] = first.packets();
  const last = others.at(-1);
  const [next] = second.packets();
  t.equal(new Set([...first.packets(), ...second.packets()].map(({ ssrc }) => ssrc)).size, 1);
  t.same(
    [one?.marker, ...others.map(({ marker }) => marker), next?.marker],
    [true, false, false, false, true],
  );
  t.equal(next?.sequenceNumber, ((last?.sequenceNumber ?? 0) + 1) & 0xffff);
  // The last one began at 60 ms.
  t.equal(((next?.timestamp ?? 0) - (last?.timestamp ?? 0)) >>> 0, 160 + 1000 * 8);
  t.equal(next?.payloadType, 118);
});
