// rule 3: packets that a bad network holds up stand where they were spoken, while a drifting clock is followed too, and hide nothing.
import t from 'tap';
import { MULAW_TO_LINEAR } from '../rtp/g711.ts';
import { Random } from '../sip/fuzz.ts';
import { Timeline } from './timeline.ts';

const kind = { kind: 'audio', encoding: 'PCMU', clockRate: 8000, table: MULAW_TO_LINEAR } as const;
const PTIME_US = 20_000;

interface Sent {
  index: number;
  at: number;
}

/** Where each packet is placed, in samples, by its number. */
function place(sent: readonly Sent[], ssrcOf = (_: number) => 1) {
  const placed = new Map<number, number>();
  const timeline = new Timeline(({ payload, position }) => {
    placed.set(new DataView(payload.buffer).getUint32(0), position);
  });
  for (const { index, at } of sent.toSorted((one, other) => one.at - other.at)) {
    const payload = new Uint8Array(160);
    new DataView(payload.buffer).setUint32(0, index);
    const header = { ssrc: ssrcOf(index), sequenceNumber: index & 0xffff, timestamp: (index * 160) >>> 0 };
    timeline.add({ ...header, at, channel: 0, kind, payload });
  }
  timeline.end();
  return { placed, timeline };
}

/** Of a party with such a clock, for two minutes: rows are lost, packets come after later ones, the network stands still, the party is silent. */
function roughly(seed: number, ppm: number): Sent[] {
  const random = new Random(seed);
  const sent: Sent[] = [];
  let [losing, silent, stalledUntil] = [0, 0, 0];
  for (let index = 0; index < 6000; index += 1) {
    const spoken = (index * PTIME_US) / (1 + ppm * 1e-6);
    if (random.chance(1)) losing = 1 + random.below(8);
    if (random.below(400) === 0) silent = 5 + random.below(100);
    if (random.below(400) === 0) stalledUntil = spoken + random.below(700_000);
    losing = Math.max(0, losing - 1);
    silent = Math.max(0, silent - 1);
    const late = random.chance(3) ? random.below(60_000) : random.below(4000);
    if (losing + silent === 0) sent.push({ index, at: Math.max(spoken, stalledUntil) + late });
  }
  return sent;
}

for (const ppm of [-400, -150, 0, 150, 400])
  t.test(`${ppm} ppm`, async (t) => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const sent = roughly(seed, ppm);
      const { placed, timeline } = place(sent);
      const wrong = sent.flatMap(({ index }) => {
        const position = placed.get(index);
        const next = placed.get(index + 1);
        const error = ((position ?? Number.NaN) * 125 - (index * PTIME_US) / (1 + ppm * 1e-6)) / 1000;
        // A drift is known after a minute.
        const isThere = Math.abs(error) < 40;
        const isSeamless = next === undefined || Math.abs(next - (position ?? 0) - 160) <= 1;
        return isThere && isSeamless
          ? []
          : [`seed ${seed}: packet ${index}, ${error} ms, the next one at ${next}`];
      });
      t.same(wrong.slice(0, 5), []);
      const { slips } = timeline.counts(0);
      t.ok(ppm === 0 ? slips < 10 : slips > 50, `${slips} steps`);
    }
  });

const steady = (from: number, to: number, late = 0): Sent[] =>
  Array.from({ length: to - from }, (_, offset) => ({
    index: from + offset,
    at: (from + offset) * PTIME_US + late,
  }));

t.test('the last packet of a source, or the last ones, held up for longer than anything else', async (t) => {
  for (const held of [1, 5, 20]) {
    const rest = steady(0, 200 - held);
    // All of them at once.
    const last = steady(200 - held, 200).map((one) => ({ ...one, at: 200 * PTIME_US + 590_000 }));
    const { placed } = place([...rest, ...last, ...steady(230, 300)], (index) => (index < 200 ? 1 : 2));
    t.equal(placed.get(199), 199 * 160, `${held} packets`);
    t.equal(placed.get(230), 230 * 160);
  }
});

t.test('the first ones of a source, held up, and then silence', async (t) => {
  for (const held of [1, 3]) {
    const first = steady(0, held).map((one) => ({ ...one, at: 700_000 }));
    const { placed } = place([...first, ...steady(60, 200)]);
    t.equal(placed.get(0), 0, `${held} packets`);
    t.equal(placed.get(60), 60 * 160);
  }
});

t.test('a clock that stood still while its party was silent goes on where it is', async (t) => {
  const moved = steady(50, 150, 3_000_000);
  const { placed } = place([...steady(0, 50), ...moved]);
  t.equal(placed.get(50), 50 * 160 + 24_000);
});
