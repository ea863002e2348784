// Two parties whose clocks differ are side by side after an hour, and nobody is moved whose clock is right.
import t from 'tap';
import { MULAW_TO_LINEAR } from '../rtp/g711.ts';
import { Random } from '../sip/fuzz.ts';
import { Timeline } from './timeline.ts';

const kind = { kind: 'audio', encoding: 'PCMU', clockRate: 8000, table: MULAW_TO_LINEAR } as const;
const PTIME_US = 20_000;
const HOUR = 180_000;
const REPORT_US = 5_000_000;

interface Sender {
  channel: 0 | 1;
  /** How fast its clock is, in parts in a million. */
  ppm: number;
  packets: number;
  /** What the network adds to the `index`th packet, in microseconds. */
  delay(index: number): number;
  /** Sender reports, by a clock that is right, or by the one that counts the samples; none when left out. */
  reports?: 'right' | 'own';
  /** Packets of silence, which are not sent. */
  isSilent?(index: number): boolean;
}

interface Arrival {
  at: number;
  run(timeline: Timeline): void;
}

function arrivalsOf({ channel, ppm, packets, delay, reports, isSilent }: Sender): Arrival[] {
  const trueTime = (index: number) => (index * PTIME_US) / (1 + ppm * 1e-6);
  const payload = new Uint8Array(160);
  const ssrc = channel + 1;
  const arrivals: Arrival[] = [];
  for (let index = 0; index < packets; index += 1) {
    const spoken = trueTime(index);
    const at = spoken + delay(index);
    const header = { ssrc, sequenceNumber: index & 0xffff, timestamp: (index * 160) >>> 0 };
    if (!isSilent?.(index))
      arrivals.push({ at, run: (timeline) => timeline.add({ ...header, at, channel, kind, payload }) });
    if (reports === undefined || index === 0 || (index * PTIME_US) % REPORT_US !== 0) continue;
    const clock = 3_900_000_000e6 + (reports === 'right' ? spoken : index * PTIME_US);
    const sent = { clock, timestamp: header.timestamp };
    arrivals.push({ at: at + 1, run: (timeline) => timeline.addReport(channel, at + 1, { ssrc, sent }) });
  }
  return arrivals;
}

/** By channel, how far each packet stands from where its sender spoke, in milliseconds. */
function place(senders: Sender[]): { errors: [Float64Array, Float64Array]; timeline: Timeline } {
  const errors: [Float64Array, Float64Array] = [new Float64Array(HOUR), new Float64Array(HOUR)];
  const next = [0, 0];
  const timeline = new Timeline(({ position, channel }) => {
    const sender = senders.find((one) => one.channel === channel);
    while (sender?.isSilent?.(next[channel] ?? 0)) next[channel] = (next[channel] ?? 0) + 1;
    const index = next[channel] ?? 0;
    next[channel] = index + 1;
    const spoken = (index * PTIME_US) / (1 + (sender?.ppm ?? 0) * 1e-6);
    errors[channel === 0 ? 0 : 1][index] = position / 8 - spoken / 1000;
  });
  const arrivals = senders.flatMap(arrivalsOf).sort((one, other) => one.at - other.at);
  for (const { run } of arrivals) run(timeline);
  timeline.end();
  return { errors, timeline };
}

const worst = (errors: Float64Array, from: number, to = errors.length) =>
  errors.subarray(from, to).reduce((most, error) => Math.max(most, Math.abs(error)), 0);

/** In order, as the placement is: each packet comes before the next one. */
function jitter(seed: number, mostUs: number): (index: number) => number {
  const random = new Random(seed);
  let last = 0;
  return () => {
    last = Math.max(last - PTIME_US + 100, random.below(mostUs));
    return last;
  };
}

/** The same, with something in the way for a moment now and then. */
function spikes(seed: number, mostUs: number): (index: number) => number {
  const random = new Random(seed);
  const usual = jitter(seed + 1, 10_000);
  let last = 0;
  return (index) => {
    const spike = random.chance(1) ? random.below(mostUs) : 0;
    last = Math.max(last - PTIME_US + 100, usual(index), spike);
    return last;
  };
}

for (const reports of ['right', 'own', undefined] as const) {
  const told = reports === undefined ? 'without RTCP' : `with sender reports by ${reports} clocks`;
  const [most, mostUs] = reports === undefined ? [60, 60_000] : [20, 20_000];
  t.test(`rule 3, report 5: two parties at +300 and -300 ppm for an hour, ${told}`, async (t) => {
    const sender = { packets: HOUR, ...(reports === undefined ? {} : { reports }) };
    const { errors, timeline } = place([
      { ...sender, channel: 0, ppm: 300, delay: jitter(1, mostUs) },
      { ...sender, channel: 1, ppm: -300, delay: jitter(2, mostUs) },
    ]);
    const [left, right] = errors;
    const apart = left.map((error, index) => error - (right[index] ?? 0));
    t.ok(worst(apart, HOUR - 3000) <= most, `${worst(apart, HOUR - 3000).toFixed(1)} ms apart at the end`);
    t.ok(worst(apart, 0) <= most + 25, `${worst(apart, 0).toFixed(1)} ms apart at the worst`);
    for (const channel of [0, 1] as const) {
      const { driftPpm, slips, late, lost } = timeline.counts(channel);
      t.ok(Math.abs((driftPpm ?? 0) - (channel === 0 ? 300 : -300)) < 10, `${driftPpm} ppm`);
      t.ok(Math.abs(slips - 8640) < 150, `${slips} samples in an hour`);
      t.same({ late, lost }, { late: 0, lost: 0 });
    }
  });
}

t.test('most of an hour silent: the words stand where they were said', async (t) => {
  const isSilent = (index: number) => Math.floor(index / 500) % 5 !== 0;
  const { errors } = place([{ channel: 0, ppm: 300, packets: HOUR, delay: jitter(3, 20_000), isSilent }]);
  t.ok(worst(errors[0], HOUR - 3000) <= 20, `${worst(errors[0], HOUR - 3000)} ms`);
});

for (const [what, delay] of [
  ['no jitter', () => 3000],
  ['jitter of 150 ms', spikes(4, 150_000)],
  [
    'a longer way through the network for half an hour',
    (index: number) => (index > 50_000 && index < 140_000 ? 17_000 : 2000),
  ],
] as const)
  t.test(`a clock that is right is never corrected: ${what}`, async (t) => {
    const { timeline, errors } = place([{ channel: 0, ppm: 0, packets: HOUR, delay, reports: 'right' }]);
    t.match(timeline.counts(0), { slips: 0 });
    const [first] = errors[0];
    t.ok(errors[0].every((error) => error === first));
  });

t.test('nor without reports on a machine that gets busier for two minutes', async (t) => {
  const delay = (index: number) => 3000 + 5000 * Math.min(1, index / 6000);
  const { timeline, errors } = place([{ channel: 0, ppm: 0, packets: 30_000, delay }]);
  t.match(timeline.counts(0), { slips: 0 });
  t.ok(worst(errors[0], 0) <= 8);
});

t.test('a sender that takes longer for each packet than any quartz would is no drift', async (t) => {
  const { timeline } = place([{ channel: 0, ppm: -2500, packets: 30_000, delay: () => 0 }]);
  t.match(timeline.counts(0), { slips: 0, driftPpm: undefined });
});

t.test('reports that contradict the arrivals are not believed', async (t) => {
  const delay = jitter(5, 20_000);
  const arrivals = arrivalsOf({ channel: 0, ppm: 0, packets: 30_000, delay, reports: 'right' });
  const timeline = new Timeline(() => undefined);
  for (const { run } of arrivals) run(timeline);
  for (let count = 0; count < 100; count += 1)
    timeline.addReport(0, count * REPORT_US, {
      ssrc: 1,
      sent: { clock: count * 5_004_000, timestamp: count * 40_000 },
    });
  timeline.end();
  t.match(timeline.counts(0), { slips: 0 });
});
