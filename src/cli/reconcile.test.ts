// `grec reconcile`: each way in which a call and its recording can differ is found and told with its reason; nothing else is.
import { appendFileSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import { silentLogger } from '../log.ts';
import type { EventBody } from '../spool/events.ts';
import { openJournal } from '../spool/journal.ts';
import { listJournalFiles } from '../spool/journal-files.ts';
import {
  emptyState,
  FAILED_ID,
  FIRST_ID,
  grec,
  SECOND_ID,
  START,
  type State,
  stateWithOneRecording,
  stateWithRecordings,
} from './fixtures/state.ts';

process.env.TZ = 'UTC';
const party = (number: string) => ({ number, uri: `sip:${number}@h` });
const LOST = '019aa333-0000-7000-8000-0000000010e7';

/** An answered call that had to be recorded. */
function recordedCall(call: string, recording: string): EventBody[] {
  return [
    {
      type: 'call.created',
      call,
      sessionId: 's',
      direction: 'internal',
      from: party('7002'),
      to: party('7001'),
    },
    { type: 'recording.decided', call, record: true, reason: 'record is set on DN 7001' },
    { type: 'call.answered', call },
    { type: 'recording.started', call, recording, parties: [] },
    { type: 'call.released', call, by: 'a', status: 200, reason: 'hung up', answered: true },
  ];
}

/** As if all of it had happened an hour ago. */
async function writeJournal(t: Test, { directory }: State, events: EventBody[]): Promise<string> {
  const { now } = Date;
  t.teardown(() => {
    Date.now = now;
  });
  const folder = join(directory, 'state', 'journal');
  const journal = openJournal({ directory: folder, daemon: 'grec-sipd', log: silentLogger() });
  for (const event of events) journal.append(event);
  await journal.close();
  Date.now = () => now() + 3_600_000;
  return join(folder, 'grec-sipd');
}

interface Report {
  calls: Record<string, number>;
  recordings: number;
  differences: { kind: string; recording?: string; call?: string; reason: string; at: string | null }[];
}

async function report(state: State, ...more: string[]): Promise<Report & { code: number }> {
  const { code, out } = await grec(state, ['reconcile', '--json', ...more]);
  return { code, ...(JSON.parse(out) as Report) };
}

t.test('nothing is wrong: status 0, and the figures', async (t) => {
  const state = stateWithOneRecording(t);
  await writeJournal(t, state, recordedCall('call-1', FIRST_ID));
  t.match(await report(state), {
    code: 0,
    calls: { answered: 1, due: 1, beingMade: 0, up: 0 },
    recordings: 1,
    differences: [],
  });
  const { code, out, err } = await grec(state, ['reconcile']);
  t.same([code, out], [0, '']);
  t.match(err, 'no difference: 1 of 1 answered calls had to be recorded; 1 recordings; 0 calls are up');
});

t.test('rule 2, report 2: a call without a recording is missing, unless it is being made', async (t) => {
  const state = stateWithOneRecording(t);
  const events = [...recordedCall('call-1', FIRST_ID), ...recordedCall('call-2', LOST)];
  await writeJournal(t, state, events);
  const { code, differences } = await report(state);
  t.equal(code, 1);
  t.match(differences, [{ kind: 'missing', call: 'call-2', recording: LOST, from: '7002', to: '7001' }]);
  t.match(
    (await grec(state, ['reconcile'])).out,
    /missing +000010e7 +7002 → 7001 +the catalog knows no recording/,
  );
  t.match(await report(state, '--since', 'now'), { code: 0, recordings: 0, differences: [] });
});

t.test('a call that ended a moment ago is not missing yet', async (t) => {
  const state = stateWithOneRecording(t);
  await writeJournal(t, state, recordedCall('call-2', LOST));
  Date.now = () => performance.timeOrigin + performance.now();
  t.match(await report(state), { code: 0, calls: { due: 1, beingMade: 1 }, differences: [] });
});

t.test('what the catalog calls failed or partial is a difference, with its reason', async (t) => {
  const state = stateWithRecordings(t);
  mkdirSync(join(state.directory, 'state', 'journal'), { recursive: true });
  const { code, differences } = await report(state);
  t.equal(code, 1);
  t.match(differences, [
    { kind: 'unplayable', recording: SECOND_ID, reason: /metadata\.json/ },
    { kind: 'failed', recording: FAILED_ID, reason: 'no media server' },
  ]);
  t.equal(differences.length, 2);
});

t.test('a recording of a part of its call is a difference, though it can be played', async (t) => {
  const state = stateWithOneRecording(t);
  const catalog = openCatalog(state.catalog);
  const whole = catalog.find('last');
  catalog.putRecording({ ...whole, state: 'partial', reason: 'media stopped early' }, [], START);
  catalog.close();
  const { differences } = await report(state);
  t.match(differences, [{ kind: 'partial', recording: FIRST_ID, reason: 'media stopped early' }]);
});

t.test('audio that is gone, cut, or not as long as it says; metadata that is damaged', async (t) => {
  for (const [damage, reason] of [
    [(folder: string) => rmSync(join(folder, 'audio.wav')), /ENOENT/],
    [
      (folder: string) => truncateSync(join(folder, 'audio.wav'), 60_000),
      /60000 bytes, the metadata says 64044/,
    ],
    [(folder: string) => writeFileSync(join(folder, 'audio.wav'), Buffer.alloc(64_044)), /not a WAV file/],
    [(folder: string) => writeFileSync(join(folder, 'metadata.json'), '{'), /metadata\.json/],
  ] as const) {
    const state = stateWithOneRecording(t);
    damage(state.recording);
    const { differences } = await report(state);
    t.match(differences, [{ kind: 'unplayable', recording: FIRST_ID, reason }]);
  }
});

t.test('report 2: a recording that stands in the archive and not in the catalog', async (t) => {
  const state = stateWithOneRecording(t);
  const archive = join(state.directory, 'state', 'archive');
  mkdirSync(join(archive, '2026', '02', '01', LOST), { recursive: true });
  for (const other of ['2026/02/01/.tmp-x', 'failed', '20x6/01/01'])
    mkdirSync(join(archive, other), { recursive: true });
  t.match(await report(state), { code: 1, differences: [{ kind: 'unlisted', recording: LOST }] });
  t.match(await report(state, '--since', '2026-02-02'), { code: 0 });
});

t.test('a line of the journal that cannot be read is told: calls may be in it', async (t) => {
  const state = stateWithOneRecording(t);
  const folder = await writeJournal(t, state, recordedCall('call-1', FIRST_ID));
  appendFileSync(join(folder, listJournalFiles(folder)[0] ?? ''), 'no event\n');
  t.match(await report(state), {
    code: 1,
    differences: [{ kind: 'journal', reason: /byte \d+: .*not known/ }],
  });
});

t.test('an archive that cannot be read is an error that says so, not a difference', async (t) => {
  const state = stateWithOneRecording(t);
  const archive = join(state.directory, 'state', 'archive');
  rmSync(archive, { recursive: true });
  writeFileSync(archive, '');
  const { code, out, err } = await grec(state, ['reconcile']);
  t.strictSame([code, out], [1, '']);
  t.match(err, 'cannot read the archive');
});

t.test('without a catalog, or with a time that is none: an error that says what to do', async (t) => {
  const state = emptyState(t);
  const { code, err } = await grec(state, ['reconcile']);
  t.equal(code, 1);
  t.match(err, 'there is no catalog');
  t.equal((await grec(state, ['reconcile', '--since', 'soon'])).code, 2);
});

t.test('the times of recordings are those of their beginning', async (t) => {
  const state = stateWithRecordings(t);
  const [first] = (await report(state)).differences;
  t.equal(first?.at, new Date(START + 3_600_000).toISOString());
});
