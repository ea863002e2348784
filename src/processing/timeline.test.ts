// Samples stand where their timestamps say, whatever the network does to the packets.
import fc from 'fast-check';
import t from 'tap';
import { MULAW_TO_LINEAR } from '../rtp/g711.ts';
import type { AudioPacket } from './rtp-clock.ts';
import { type PartyPacket, Timeline } from './timeline.ts';

const kind = { kind: 'audio', encoding: 'PCMU', clockRate: 8000, table: MULAW_TO_LINEAR } as const;

/** A packet of 20 ms that was spoken as the `index`th; its payload's first byte says which. */
interface Sent {
  index: number;
  /** Microseconds. */
  at: number;
  timestamp: number;
  sequenceNumber: number;
  ssrc?: number;
  channel?: 0 | 1;
}

function packetOf({ index, at, timestamp, sequenceNumber, ssrc = 1, channel = 0 }: Sent): PartyPacket {
  const payload = new Uint8Array(160);
  new DataView(payload.buffer).setUint32(0, index);
  return {
    channel,
    at,
    ssrc,
    sequenceNumber: sequenceNumber & 0xffff,
    timestamp: timestamp >>> 0,
    kind,
    payload,
  };
}

/** Where each packet was placed: by channel and index, in samples. */
function place(
  sent: Sent[],
  groupOf?: (lane: number) => number,
): { placed: Map<number, number>; times: number; timeline: Timeline } {
  const placed = new Map<number, number>();
  let times = 0;
  const timeline = new Timeline(({ payload, position, channel }: AudioPacket) => {
    times += 1;
    placed.set(new DataView(payload.buffer).getUint32(0) + channel * 1e6, position);
  }, groupOf);
  for (const packet of sent.toSorted((one, other) => one.at - other.at)) timeline.add(packetOf(packet));
  timeline.end();
  return { placed, times, timeline };
}

const steady = (count: number, change: Partial<Sent> = {}, firstIndex = 0): Sent[] =>
  Array.from({ length: count }, (_, offset) => {
    const index = firstIndex + offset;
    return { index, at: index * 20_000, timestamp: index * 160, sequenceNumber: index, ...change };
  });

t.test('any jitter under 200 ms, loss, reordering, duplicates, silence suppression and wraps', async () => {
  const fate = fc.record({
    jitter: fc.integer({ min: 0, max: 199_999 }),
    isLost: fc.boolean(),
    isDoubled: fc.boolean(),
    /** Packets of silence that are not sent before this one. */
    pause: fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 900 }) },
    ),
  });
  const start = fc.record({
    timestamp: fc.integer({ min: 0, max: 0xffffffff }),
    sequence: fc.integer({ min: 0, max: 0xffff }),
  });
  fc.assert(
    fc.property(fc.array(fate, { minLength: 1, maxLength: 150 }), start, (fates, first) => {
      const sent: Sent[] = [];
      let slot = 0;
      for (const [index, { jitter, isLost, isDoubled, pause }] of fates.entries()) {
        slot += 1 + pause;
        const packet = {
          index: slot,
          at: slot * 20_000 + jitter,
          timestamp: first.timestamp + slot * 160,
          sequenceNumber: first.sequence + index,
        };
        if (!isLost) sent.push(packet);
        if (!isLost && isDoubled) sent.push({ ...packet, at: packet.at + 5_000 });
      }
      const { placed, times, timeline } = place(sent);
      const offsets = new Set([...placed].map(([index, position]) => position - index * 160));
      const [offset = 0] = offsets;
      const { duplicates, late } = timeline.counts(0);
      return (
        offsets.size === Math.min(1, sent.length) &&
        offset >= 0 &&
        offset <= 1600 &&
        times === placed.size &&
        placed.size + duplicates === sent.length &&
        late === 0
      );
    }),
    { numRuns: 300 },
  );
});

t.test('the least delayed packet of the first second is the anchor, not the first one', async (t) => {
  const sent = steady(100).map((packet) => ({
    ...packet,
    at: packet.at + 1_000_000 + (packet.index === 0 ? 90_000 : 30_000),
  }));
  const { placed } = place(sent);
  t.equal(placed.get(0), 8000 + 240);
  t.equal(placed.get(99), 8000 + 240 + 99 * 160);
});

t.test('rule 3, report 4: silence has its true length', async (t) => {
  const sent = [...steady(10), ...steady(10, {}, 3010)];
  const { placed } = place(sent.map((packet, order) => ({ ...packet, sequenceNumber: order })));
  t.equal(placed.get(3010), 3010 * 160);
});

t.test(
  'report 4: a stream whose clock stands still during hold goes on where the wall clock is',
  async (t) => {
    const before = steady(50);
    const after = steady(50, {}, 50).map((packet) => ({ ...packet, at: packet.at + 15_000_000 }));
    const { placed } = place([...before, ...after]);
    t.equal(placed.get(49), 49 * 160);
    t.equal(placed.get(50), 50 * 160 + 15 * 8000);
    t.equal(placed.get(99), 99 * 160 + 15 * 8000);
  },
);

t.test('packets held up by a stall of the network keep their places', async (t) => {
  const sent = steady(400).map((packet) => {
    return packet.index >= 100 && packet.index < 200
      ? { ...packet, at: 4_000_000 + packet.index * 10 }
      : packet;
  });
  const { placed, timeline } = place(sent);
  t.same(
    [...placed].filter(([index, position]) => position !== index * 160),
    [],
  );
  t.equal(timeline.counts(0).late, 0);
});

t.test(
  'a sender that stood still for two seconds and catches up in another two keeps its places',
  async (t) => {
    const caught = (index: number) => Math.max(index * 20_000, 4_000_000 + (index - 100) * 10_000);
    const sent = steady(600).map((packet) =>
      packet.index >= 100 ? { ...packet, at: caught(packet.index) } : packet,
    );
    const { placed, timeline } = place(sent);
    t.same(
      [...placed].filter(([index, position]) => position !== index * 160),
      [],
    );
    t.equal(timeline.counts(0).late, 0);
  },
);

t.test('a restart of the clock, forward or back, is anchored anew', async (t) => {
  for (const jump of [123_456_789, -123_456_789, 2 ** 31 - 1, 5_000]) {
    const after = steady(60, {}, 100).map((packet) => ({ ...packet, timestamp: packet.timestamp + jump }));
    const { placed, timeline } = place([...steady(100), ...after]);
    t.same(
      [...placed].filter(([index, position]) => position !== index * 160),
      [],
      `jump of ${jump}`,
    );
    t.equal(timeline.counts(0).late, 0);
  }
});

t.test('a new SSRC is anchored by its own arrivals', async (t) => {
  const after = steady(60, { ssrc: 2 }, 100).map((packet) => ({
    ...packet,
    timestamp: packet.timestamp * 3 + 77 * 160 - 2 * packet.timestamp,
  }));
  const { placed } = place([...steady(100), ...after]);
  t.same(
    [...placed].filter(([index, position]) => position !== index * 160),
    [],
  );
});

t.test('one packet with a timestamp out of nowhere is dropped, and moves no other', async (t) => {
  for (const timestamp of [3_000_000_000, 2_000_000_000]) {
    const sent = steady(200).map((packet) => (packet.index === 90 ? { ...packet, timestamp } : packet));
    const { placed, timeline } = place(sent);
    t.notOk(placed.has(90));
    t.same(
      [...placed].filter(([index, position]) => position !== index * 160),
      [],
    );
    t.equal(timeline.counts(0).late, 1);
  }
});

t.test('channels are aligned by arrival, whatever their timestamps are', async (t) => {
  const left = steady(100);
  const right = steady(100, { channel: 1, ssrc: 9 }).map((packet) => ({
    ...packet,
    at: packet.at + 250_000,
    timestamp: packet.timestamp + 999_999,
  }));
  const { placed } = place([...left, ...right]);
  t.equal((placed.get(1e6) ?? 0) - (placed.get(0) ?? 0), 2000);
});

t.test(
  'rule 3, report 6: a stream that goes on in another call of the party is placed without a seam',
  async (t) => {
    const first = steady(100);
    // Less delayed than all before: by itself it would begin 10 ms earlier.
    const then = steady(100, { channel: 1 }, 100).map((packet) => ({ ...packet, at: packet.at - 10_000 }));
    const together = place([...first, ...then], () => 0);
    const seam = ({ placed }: ReturnType<typeof place>) =>
      (placed.get(1e6 + 100) ?? 0) - (placed.get(99) ?? 0);
    t.equal(seam(together), 160);
    t.match(
      [0, 1].map((lane) => together.timeline.counts(lane)),
      [
        { packets: 100, lost: 0 },
        { packets: 100, lost: 0 },
      ],
    );
    t.equal(
      seam(place([...first, ...then])),
      80,
      'calls of two switches have nothing to do with one another',
    );
    const other = then.map((packet) => ({ ...packet, timestamp: packet.timestamp + 80_000 }));
    t.equal(seam(place([...first, ...other], () => 0)), 80, 'nor has a stream with the same SSRC by chance');
  },
);

t.test('report 4: digits, comfort noise and foreign codecs are counted and leave silence', async (t) => {
  const timeline = new Timeline(() => t.fail('nothing is to be placed'));
  const kinds = [
    { kind: 'silence', encoding: 'TELEPHONE-EVENT' },
    { kind: 'silence', encoding: 'CN' },
    { kind: 'undecodable', encoding: 'G729' },
  ] as const;
  for (const [index, other] of kinds.entries()) {
    timeline.add({ ...packetOf({ index, at: index, timestamp: 0, sequenceNumber: index * 2 }), kind: other });
  }
  timeline.end();
  t.match(timeline.counts(0), { packets: 3, lost: 2, undecodable: new Map([['G729', 1]]) });
});

t.test('a flood of sources does not grow the timeline', async (t) => {
  let placed = 0;
  const timeline = new Timeline(() => {
    placed += 1;
  });
  for (let index = 0; index < 5000; index += 1) {
    timeline.add(packetOf({ index, at: index * 100, timestamp: index, sequenceNumber: index, ssrc: index }));
  }
  timeline.end();
  t.equal(placed, 5000);
  t.equal(timeline.counts(0).lost, 0);
});
