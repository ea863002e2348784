// How long a party misses the other's voice when media moves to the media server and back, mid-call.
//
//   node bench/media-moves.ts [--moves 50] [--json]
//
// Two phones talk over loopback while the recording of their call is started and stopped again and again. Once they take media from
// anywhere, once only from where they send to, as strict telephones do. Told is the longest time between two packets that came, and
// what was lost; the same without moves is the noise of the machine. More than 100 ms of loss at one change is a failure.
import { parseArgs } from 'node:util';
import { install } from '../daemons/peers/installation.ts';
import { connect, hear, newPhone } from '../daemons/peers/phones.ts';
import type { PhoneCall } from '../src/testing/phone.ts';

const { values } = parseArgs({
  options: { moves: { type: 'string', default: '50' }, json: { type: 'boolean', default: false } },
});
const moves = Number(values.moves);
const PACKET_MS = 20;
const MOST_LOST_MS = 100;
/** Packets between two changes. */
const BETWEEN = 15;

interface Result {
  phones: string;
  changes: number;
  longestGapMs: number;
  lostPackets: number;
  longestLossMs: number;
}

const installation = await install({ mediaPorts: 40 });
const endings: (() => unknown)[] = [];
const ends = { teardown: (end: () => unknown) => void endings.push(end) };
try {
  const [caller, agent] = [
    await newPhone(ends, installation, { number: '7002' }),
    await newPhone(ends, installation, { number: '7001' }),
  ];
  const measure = async (phones: string, isStrict: boolean, changes: number): Promise<Result> => {
    const [out, into] = await connect(caller, agent);
    out.media.isStrict = into.media.isStrict = isStrict;
    const silence = new Uint8Array(8000 * 3600).fill(0x55);
    const spoken = Promise.all([out.speak(silence), into.speak(silence)]);
    await hear(out, BETWEEN);
    for (let change = 0; change < changes; change += 1) {
      const operation = change % 2 === 0 ? 'start' : 'stop';
      await installation.ask('grec-sipd', 'POST', '/calls/7001/recording', { operation });
      await Promise.all([hear(out, BETWEEN), hear(into, BETWEEN)]);
    }
    if (changes === 0) await hear(out, moves * BETWEEN);
    await out.hangup();
    await spoken.catch(() => undefined);
    const [one, other] = [judge(out), judge(into)];
    return {
      phones,
      changes,
      longestGapMs: Math.max(one.gap, other.gap),
      lostPackets: one.lost + other.lost,
      longestLossMs: Math.max(one.run, other.run) * PACKET_MS,
    };
  };
  const results = [
    await measure('no moves', false, 0),
    await measure('take media from anywhere', false, moves),
    await measure('strict', true, moves),
  ];
  if (values.json) console.log(JSON.stringify(results));
  else console.table(results);
  process.exitCode = results.every(({ longestLossMs }) => longestLossMs < MOST_LOST_MS) ? 0 : 1;
} finally {
  await Promise.all(endings.map((end) => end()));
  await installation.stop();
}

/** The longest time between two packets, all that were lost, and the most in a row. */
function judge({ media: { receiver } }: PhoneCall): { gap: number; lost: number; run: number } {
  let [gap, lost, run] = [0, 0, 0];
  for (const { packets } of receiver.streams)
    for (const [index, packet] of packets.entries()) {
      const before = packets[index - 1];
      if (before === undefined) continue;
      gap = Math.max(gap, packet.arrivedAt - before.arrivedAt);
      const missing = ((packet.sequenceNumber - before.sequenceNumber - 1) & 0xffff) % 0x8000;
      lost += missing;
      run = Math.max(run, missing);
    }
  return { gap: Math.round(gap), lost, run };
}
