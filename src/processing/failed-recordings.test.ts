// Recordings that failed: listed with what there is of them, and made again of the segments that were set aside.
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { recordingIdOfSegment } from '../archive/ids.ts';
import { readManifest, readMetadata, verifyFiles } from '../archive/read.ts';
import { readAudit } from '../audit/read.ts';
import type { AuditRecord } from '../audit/record.ts';
import { CALL, failing, NO_REQUEST, namesIn, RECORDING, tellCall } from './fixtures/failing.ts';
import { hasFfmpeg } from './fixtures/reference-speech.ts';
import { callBegins, callEnds, captureOf, metadataOf, T0, talk } from './fixtures/segments.ts';

const NO_FFMPEG = hasFfmpeg() ? false : 'ffmpeg is not installed';
const BOTH = captureOf([...talk({ label: 'a' }), ...talk({ label: 'b' })]);
const closed = { at: T0 + 1_100_000 };

t.test(
  'listed with its call, the reason and its captures; made again when it can be',
  { skip: NO_FFMPEG },
  async (t) => {
    const it = failing(t);
    tellCall(it);
    const daemon = await it.start();
    await it.sync(daemon);
    const directory = join(it.failedFolder, 'seg-1');
    t.match(it.list(daemon), [
      {
        kind: 'recording',
        id: RECORDING,
        reason: /no decoder for G722: cannot run/,
        isRetryable: true,
        details: { state: 'failed', caller: '7002', callee: '7001', calls: [CALL], captures: [directory] },
      },
    ]);
    t.match(await it.retry(daemon), { isDone: false, state: 'failed', reason: /no decoder for G722/ });
    t.ok(existsSync(directory), 'its captures stay');
    t.equal(
      it.ask((catalog) => catalog.alarmCount()),
      1,
    );
    it.installFfmpeg();
    t.match(await it.retry(daemon), { id: RECORDING, isDone: true, state: 'complete', reason: null });
    const row = it.ask((catalog) => catalog.get(RECORDING));
    t.match(row, { state: 'complete', duration: 1000, caller: '7002', dn: '7001' });
    const folder = join(it.config.paths.archive, row?.path ?? '');
    t.same(verifyFiles(folder), { ok: true, problems: [] });
    const { events = [], remarks } = readMetadata(folder);
    t.equal(
      events.length,
      [...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING)].length,
      'the journals tell of it',
    );
    t.same(remarks, ['left channel: no media came from this party']);
    t.same(namesIn(it.failedFolder), [], 'the segments go the ordinary way');
    t.equal(
      it.ask((catalog) => catalog.alarmCount()),
      0,
    );
    t.match(
      it.ask((catalog) => catalog.alarms(9, 'all')),
      [{ answer: 'it was made: complete', answeredAt: Number }],
    );
    t.same(it.list(daemon), []);
    const audit: AuditRecord[] = [];
    for await (const entry of readAudit(it.config.paths.audit)) audit.push(entry);
    t.match(
      audit.filter(({ what }) => what === 'retry'),
      [{ recording: RECORDING, details: { kind: 'recording' } }, { recording: RECORDING }],
    );
    await t.rejects(it.retry(daemon), { code: 'RECORDING_UNKNOWN' });
  },
);

t.test(
  'one channel that could not be decoded: the next revision has both',
  { skip: NO_FFMPEG },
  async (t) => {
    const it = failing(t, '', 60);
    tellCall(it, { both: false });
    const daemon = await it.start();
    await it.sync(daemon);
    t.match(it.list(daemon), [{ isRetryable: true, details: { state: 'partial' } }]);
    t.match(await it.retry(daemon), {
      isDone: false,
      state: 'partial',
      reason: /one channel cannot be decoded/,
    });
    it.installFfmpeg();
    t.match(await it.retry(daemon), { isDone: true, state: 'complete' });
    const row = it.ask((catalog) => catalog.get(RECORDING));
    await it.sync(daemon);
    t.match(readManifest(join(it.config.paths.archive, row?.path ?? '')), { revision: 3 });
    t.same(namesIn(it.failedFolder), []);
    t.equal(
      it.ask((catalog) => catalog.alarmCount()),
      0,
    );
  },
);

t.test('what is archived is not replaced by less: not under hold, not of other captures', async (t) => {
  const it = failing(t);
  tellCall(it, { both: false });
  const daemon = await it.start();
  await it.sync(daemon);
  const acts = (type: string) =>
    daemon.routes?.['POST /recordings/:id/acts']?.({
      ...NO_REQUEST,
      params: { id: RECORDING },
      body: { type, reason: 'x' },
    });
  await acts('hold');
  await t.rejects(it.retry(daemon), { code: 'RECORDING_STATE', message: /under hold/ });
  await acts('unhold');
  const capture = join(it.failedFolder, 'seg-1', 'capture.pcap');
  writeFileSync(capture, readFileSync(capture).subarray(0, 2000));
  await t.rejects(it.retry(daemon), { code: 'RECORDING_STATE', message: /is not what it was made of/ });
  rmSync(join(it.failedFolder, 'seg-1'), { recursive: true });
  t.match(it.list(daemon), [{ isRetryable: false, advice: /seg-1 is not there any more/ }]);
  await t.rejects(it.retry(daemon), { code: 'RECORDING_STATE', message: /not there any more/ });
  t.match(
    it.ask((catalog) => catalog.get(RECORDING)),
    { state: 'partial' },
  );
});

t.test('where nothing was captured, or no audio, a retry cannot help', async (t) => {
  const it = failing(t);
  const [OTHER_CALL, OTHER] = [
    '019aa000-0000-7000-8000-0000000000cb',
    '019aa000-0000-7000-8000-00001a2b3c4e',
  ];
  const failure = { type: 'recording.failed', call: CALL, recording: RECORDING, reason: 'no room' } as const;
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING).slice(0, 2), failure);
  it.state.append(
    'grec-sipd',
    T0 + 1000,
    { type: 'call.answered', call: CALL },
    ...callEnds(CALL, RECORDING).slice(1),
  );
  it.state.append('grec-sipd', T0, ...callBegins(OTHER_CALL, OTHER), ...callEnds(OTHER_CALL, OTHER));
  it.state.writeSegment('seg-2', { metadata: metadataOf(OTHER, OTHER_CALL), closed }, captureOf([]));
  const daemon = await it.start();
  await it.sync(daemon);
  const found = it.list(daemon).toSorted((one, other) => (one.id < other.id ? -1 : 1));
  t.match(found, [
    { id: RECORDING, reason: 'no room', isRetryable: false, advice: 'nothing was captured of it' },
    { id: OTHER, reason: 'no media was captured', isRetryable: false, advice: /holds no audio/ },
  ]);
  await t.rejects(it.retry(daemon), { code: 'RECORDING_STATE', message: /nothing was captured of it/ });
  t.match(await it.retry(daemon, OTHER), { isDone: false, reason: 'no media was captured' });
});

t.test('facts that were mended: the segment becomes the recording that they name', async (t) => {
  const it = failing(t);
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING));
  it.state.writeSegment('seg-1', { metadata: metadataOf(RECORDING, CALL), closed }, BOTH);
  const waiting = join(it.state.segmentFolder('seg-1'), 'facts.jsonl');
  const facts = readFileSync(waiting, 'utf8');
  writeFileSync(waiting, 'nonsense\n');
  const daemon = await it.start({ now: () => Date.now() * 1000 + 61e6 });
  await it.sync(daemon);
  const id = recordingIdOfSegment('seg-1');
  t.match(it.list(daemon), [{ id, isRetryable: false, advice: /facts of seg-1 cannot be read/ }]);
  writeFileSync(join(it.failedFolder, 'seg-1', 'facts.jsonl'), facts);
  it.state.append('grec-sipd', T0 + 2e6, ...callEnds(CALL, RECORDING));
  t.match(await it.retry(daemon, id), { isDone: true, state: 'complete' });
  t.match(
    it.ask((catalog) => [catalog.get(id)?.id, catalog.get(RECORDING)?.state]),
    [RECORDING, 'complete'],
  );
  t.equal(
    it.ask((catalog) => catalog.count('failed')),
    0,
  );
});

t.test('nobody can try again what has not failed', async (t) => {
  const it = failing(t);
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING));
  it.state.writeSegment('seg-1', { metadata: metadataOf(RECORDING, CALL), closed }, BOTH);
  const daemon = await it.start();
  await it.sync(daemon);
  t.same(it.list(daemon), []);
  await t.rejects(it.retry(daemon), { code: 'RECORDING_UNKNOWN' });
  await t.rejects(it.retry(daemon, '../../etc'), { code: 'RECORDING_UNKNOWN' });
  await t.rejects(it.retry(daemon, RECORDING, 'parrot'), {
    code: 'USAGE',
    message: /"parrot"/,
    hint: /recording/,
  });
});

t.test(
  'an archive that refuses: it is told, and the recording waits as before',
  { skip: NO_FFMPEG },
  async (t) => {
    const it = failing(t);
    tellCall(it);
    const daemon = await it.start();
    await it.sync(daemon);
    it.installFfmpeg();
    rmSync(it.config.paths.archive, { recursive: true, force: true });
    appendFileSync(it.config.paths.archive, 'no directory');
    await t.rejects(it.retry(daemon), { code: 'ARCHIVE_UNREADABLE', message: /cannot be made now/ });
    t.match(it.list(daemon), [{ id: RECORDING, isRetryable: true }]);
    rmSync(it.config.paths.archive);
    t.match(await it.retry(daemon), { isDone: true, state: 'complete' });
  },
);
