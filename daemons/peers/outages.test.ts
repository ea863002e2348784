// Switch, or all three daemons killed in the middle of calls: what was captured is kept, and nothing waits for ever.
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import type { DaemonName } from '../../src/config.ts';
import { Random } from '../../src/sip/fuzz.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { type Installation, install, readChannels } from './installation.ts';
import { lookAround } from './kill-procd.ts';
import { anySeed, Outages } from './outages.ts';
import { CARRIER, linear, placeCalls, type SentAudio, untilCalls } from './recorded-calls.ts';
import { noSipp } from './sipp.ts';

t.jobs = 3;

const CALLS = 3;
const SECONDS = 3;
const ALL: DaemonName[] = ['grec-sipd', 'grec-mediad', 'grec-procd'];

interface Outcome {
  installation: Installation;
  sent: SentAudio;
  rows: RecordingRow[];
}

/** Calls that are up when these daemons are killed, which start again a moment later. */
async function killDuringCalls(
  t: Test,
  names: DaemonName[],
  whileDown: (installation: Installation) => void = () => undefined,
): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-outage-'));
  const installation = await install({ mediaPorts: 40, toml: CARRIER });
  const outages = new Outages(installation);
  t.teardown(async () => {
    await outages.end();
    await installation.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  const placed = await placeCalls({ calls: CALLS, rate: 20, seconds: SECONDS }, installation, directory);
  await untilCalls(installation, CALLS);
  await untilCaptured(installation);
  await Promise.all(names.map((name) => outages.kill(name)));
  whileDown(installation);
  await Promise.all(names.map((name) => outages.start(name)));
  // sipp does not take the re-INVITE that moves its media to the new life of the media server: the parties vanish.
  if (names.includes('grec-mediad')) {
    placed.caller.kill();
    placed.callee.kill();
  }
  const [from, to] = await Promise.all([placed.caller.result, placed.callee.result]);
  if (!names.includes('grec-mediad'))
    t.same([from.code, to.code], [0, 0], 'each call is released as it should');
  const rows = await installation.recordings(CALLS);
  await installation.ask('grec-procd', 'POST', '/sync');
  t.match(await installation.ask('grec-sipd', 'GET', '/status'), { calls: 0 });
  t.match(await installation.ask('grec-mediad', 'GET', '/status'), { calls: 0, media: { portsUsed: 0 } });
  t.match(lookAround(installation), { leftovers: [], unverified: [], archived: CALLS });
  return { installation, sent: placed.sent, rows };
}

/** Resolves when the disk has a second and more of every call. */
async function untilCaptured({ config: { paths }, until }: Installation): Promise<void> {
  const sizeOf = (segment: string) => statSync(join(paths.spool, segment, 'capture.pcap')).size;
  await until('a second is captured', async () => {
    return readdirSync(paths.spool).every((segment) => sizeOf(segment) > 25_000) ? true : undefined;
  });
}

/** What is recorded is what was sent, from its beginning to where it breaks off. */
function isPrefix({ config }: Installation, row: RecordingRow, sent: SentAudio): boolean {
  const channels = readChannels(join(config.paths.archive, row.path ?? '', 'audio.wav'));
  return [sent.b, sent.a].every((bytes, index) => {
    const channel = channels[index] ?? new Int16Array();
    const wanted = linear(bytes);
    const { offset } = findAudio(channel, wanted);
    if (offset === undefined || offset < 0) return false;
    // One channel may break off a little before the other: silence follows there.
    const heard = channel.subarray(offset, channel.findLastIndex((sample) => sample !== 0) + 1);
    return heard.length > 6000 && heard.every((sample, at) => sample === wanted[at]);
  });
}

t.test(
  'grec-sipd killed: its calls go on to their end, and are recorded whole',
  {
    skip: noSipp,
    timeout: 90_000,
  },
  async (t) => {
    const { installation, rows, sent } = await killDuringCalls(t, ['grec-sipd']);
    t.match(rows, Array(CALLS).fill({ state: 'complete' }));
    t.ok(rows.every((row) => isPrefix(installation, row, sent)));
    t.match(await installation.ask('grec-sipd', 'GET', '/status'), { counters: { restored: CALLS } });
  },
);

t.test(
  'all killed and the ends of journals and captures lost, as when the power fails',
  {
    skip: noSipp,
    timeout: 90_000,
  },
  async (t) => {
    const seed = anySeed();
    const random = new Random(seed);
    const cut = (file: string, most: number) => {
      truncateSync(file, Math.max(0, statSync(file).size - Math.ceil(random.fraction() * most)));
    };
    const { installation, rows, sent } = await killDuringCalls(t, ALL, ({ config: { paths } }) => {
      for (const daemon of ['grec-sipd', 'grec-mediad']) {
        const newest = readdirSync(join(paths.journal, daemon)).sort().at(-1) ?? '';
        cut(join(paths.journal, daemon, newest), 900);
      }
      for (const segment of readdirSync(paths.spool)) cut(join(paths.spool, segment, 'capture.pcap'), 4000);
    });
    t.match(rows, Array(CALLS).fill({ state: 'partial' }), `seed ${seed}`);
    t.ok(
      rows.every((row) => isPrefix(installation, row, sent)),
      `seed ${seed}`,
    );
  },
);
