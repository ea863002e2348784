// Pacing against an absolute schedule, continuity of sequence numbers and timestamps, exact length.
import t from 'tap';
import { readRtpPacket } from './packets.ts';
import { type Clock, createRtpSender } from './rtp-sender.ts';

/** A clock that a test moves by hand; timers fire as it passes them. */
function handClock() {
  let now = 1000;
  let timers: { at: number; run: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    after(ms, run) {
      const timer = { at: now + ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
  const due = () => timers.sort((left, right) => left.at - right.at).find(({ at }) => at <= now);
  return {
    clock,
    /** Moves in steps of one millisecond, or at once when the process is to be `stalled`. */
    async pass(ms: number, stalled = false) {
      await new Promise(setImmediate);
      const end = now + ms;
      while (now < end) {
        now = stalled ? end : now + 1;
        for (let timer = due(); timer !== undefined; timer = due()) {
          timers.splice(timers.indexOf(timer), 1);
          timer.run();
        }
        await Promise.resolve();
      }
      // Promises of finished audio settle before the next audio is given.
      await new Promise(setImmediate);
    },
    get now() {
      return now;
    },
  };
}

function startSender() {
  const hand = handClock();
  const out: { at: number; bytes: Buffer }[] = [];
  const sender = createRtpSender({
    payloadType: 0,
    clock: hand.clock,
    send: (bytes) => out.push({ at: hand.now, bytes }),
    ssrc: 0x01020304,
    sequenceNumber: 0xfffe,
    timestamp: 2 ** 32 - 320,
  });
  return { hand, out, sender, fields: () => out.map(({ bytes }) => readRtpPacket(bytes)) };
}

t.test('packets leave each 20 ms and the last ends exactly with the audio', async (t) => {
  const { hand, out, sender, fields } = startSender();
  const playing = sender.play(new Uint8Array(160 * 4 + 40).fill(0x55));
  await hand.pass(200);
  t.same(await playing, { packets: 5, samples: 680 });
  t.same(
    out.map(({ at }) => at),
    [1000, 1020, 1040, 1060, 1080],
  );
  t.same(
    fields().map((packet) => packet?.payload.length),
    [160, 160, 160, 160, 40],
  );
});

t.test('the first packet on the wire, byte for byte', async (t) => {
  const { hand, out, sender } = startSender();
  void sender.play(Uint8Array.of(0xff, 0x7f));
  await hand.pass(1);
  t.equal(out[0]?.bytes.toString('hex'), `8080fffefffffec001020304${'ff7f'}`);
});

t.test(
  'sequence numbers and timestamps go on over their wrap; only the first packet is marked',
  async (t) => {
    const { hand, sender, fields } = startSender();
    void sender.play(new Uint8Array(160 * 4));
    await hand.pass(100);
    t.same(
      fields().map((packet) => packet?.sequenceNumber),
      [0xfffe, 0xffff, 0, 1],
    );
    t.same(
      fields().map((packet) => packet?.timestamp),
      [2 ** 32 - 320, 2 ** 32 - 160, 0, 160],
    );
    t.same(
      fields().map((packet) => packet?.marker),
      [true, false, false, false],
    );
  },
);

t.test('a stall is caught up at once and shifts nothing after it', async (t) => {
  const { hand, out, sender } = startSender();
  void sender.play(new Uint8Array(160 * 6));
  await hand.pass(25);
  await hand.pass(50, true);
  await hand.pass(60);
  t.same(
    out.map(({ at }) => at),
    [1000, 1020, 1075, 1075, 1080, 1100],
  );
});

t.test(
  'a pause between two pieces of audio shows in the timestamp, not in the sequence number',
  async (t) => {
    const { hand, sender, fields } = startSender();
    void sender.play(new Uint8Array(160));
    await hand.pass(500);
    void sender.play(new Uint8Array(160));
    await hand.pass(20);
    const [first, second] = fields();
    t.equal(second?.sequenceNumber, 0xffff);
    t.equal(((second?.timestamp ?? 0) - (first?.timestamp ?? 0) + 2 ** 32) % 2 ** 32, 500 * 8);
    t.equal(second?.marker, true);
  },
);

t.test('stop ends the audio under way and tells what was sent of it', async (t) => {
  const { hand, out, sender } = startSender();
  const playing = sender.play(new Uint8Array(160 * 50));
  const following = sender.play(new Uint8Array(160));
  await hand.pass(50);
  sender.stop();
  t.same(await playing, { packets: 3, samples: 480 });
  t.same(await following, { packets: 0, samples: 0 });
  await hand.pass(100);
  t.equal(out.length, 3);
});

t.test('another payload type is the same source, and follows what went before', async (t) => {
  const { hand, sender, fields } = startSender();
  const one = sender.play(new Uint8Array(320));
  await hand.pass(40);
  await one;
  sender.payloadType = 8;
  const two = sender.play(new Uint8Array(160));
  await hand.pass(20);
  await two;
  const [, last, next] = fields();
  t.equal(next?.payloadType, 8);
  t.equal(next?.ssrc, last?.ssrc);
  t.equal(next?.sequenceNumber, ((last?.sequenceNumber ?? 0) + 1) & 0xffff);
  t.ok((((next?.timestamp ?? 0) - (last?.timestamp ?? 0)) | 0) >= 160, 'nothing overlaps');
});
