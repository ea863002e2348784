// From journals and spool to archive and catalog: every recording, or a row and an alarm that say why not.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { recordingIdOfSegment } from '../archive/ids.ts';
import { readMetadata, verifyFiles } from '../archive/read.ts';
import { openCatalogReader } from '../catalog/catalog.ts';
import type { AlarmRow, RecordingRow } from '../catalog/rows.ts';
import { type Config, loadConfig } from '../config.ts';
import type { ControlRequest } from '../control.ts';
import type { RunningDaemon } from '../daemon.ts';
import { silentLogger } from '../log.ts';
import { requireValidDocuments } from '../testing/archived-documents.ts';
import { finishRecording } from './finish.ts';
import {
  callBegins,
  callEnds,
  captureOf,
  channelOf,
  FakeState,
  metadataOf,
  streamOf,
  T0,
  talk,
} from './fixtures/segments.ts';
import { type ProcessorOptions, startProcessor } from './processor.ts';

const CALL = '019aa000-0000-7000-8000-0000000000ca';
const RECORDING = '019aa000-0000-7000-8000-00001a2b3c4d';
const BOTH = captureOf([...talk({ label: 'a' }), ...talk({ label: 'b' })]);
const END = T0 + 1_100_000;

interface Bench {
  state: FakeState;
  config: Config;
  /** Microseconds; advance it to let time pass. */
  clock: { now: number };
  start(options?: Partial<ProcessorOptions>): Promise<RunningDaemon>;
  sync(daemon: RunningDaemon): Promise<Record<string, unknown>>;
  rows(): RecordingRow[];
  alarms(): AlarmRow[];
  spool(): string[];
}

const NO_REQUEST: ControlRequest = { params: {}, query: new URLSearchParams(), body: undefined };

function bench(t: Test, settings = ''): Bench {
  const directory = mkdtempSync(join(tmpdir(), 'grec-processor-'));
  writeFileSync(join(directory, 'grec.toml'), `state.directory = "state"\n${settings}`);
  const daemons: RunningDaemon[] = [];
  t.teardown(async () => {
    // A running processor would make its catalog again.
    for (const daemon of daemons) await daemon.stop().catch(() => undefined);
    requireValidDocuments(config.paths.archive);
    rmSync(directory, { recursive: true, force: true });
  });
  const config = loadConfig({ file: join(directory, 'grec.toml'), env: {} });
  const clock = { now: END };
  const ask = <T>(question: (catalog: ReturnType<typeof openCatalogReader>) => T): T => {
    const catalog = openCatalogReader(config.paths.catalog);
    const answer = question(catalog);
    catalog.close();
    return answer;
  };
  return {
    state: new FakeState(config.paths.state),
    config,
    clock,
    start: async (options = {}) => {
      const daemon = await startProcessor({ config, log: silentLogger(), now: () => clock.now, ...options });
      daemons.push(daemon);
      return daemon;
    },
    sync: async (daemon) => (await daemon.routes?.['POST /sync']?.(NO_REQUEST)) as Record<string, unknown>,
    rows: () => ask((catalog) => catalog.list()),
    alarms: () => ask((catalog) => catalog.alarms()),
    spool: () => readdirSync(config.paths.spool).sort(),
  };
}

/** Waits for what the daemon does by itself. */
async function until(isSo: () => boolean): Promise<void> {
  const limit = performance.now() + 20_000;
  while (!isSo()) {
    if (performance.now() > limit) throw new Error(`not within 20 s: ${isSo}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

const known = { metadata: metadataOf(RECORDING, CALL), closed: { at: END } };

function tellStory({ state }: Bench, capture = BOTH): void {
  state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING));
  state.writeSegment('seg-1', known, capture);
  state.append('grec-sipd', END, ...callEnds(CALL, RECORDING));
}

t.test('a recorded call ends in the archive and the catalog', async (t) => {
  const it = bench(t);
  tellStory(it);
  const daemon = await it.start();
  const status = await it.sync(daemon);
  t.match(status, {
    recordings: 1,
    failed: 0,
    backlog: 0,
    alarms: 0,
    journals: { 'grec-sipd': 6, 'grec-mediad': 0 },
  });
  const [row] = it.rows();
  t.match(row, {
    id: RECORDING,
    state: 'complete',
    reason: null,
    direction: 'internal',
    startTime: (T0 + 1000) / 1000,
    duration: 1000,
    caller: '7002',
    callee: '7001',
    dn: '7001',
    path: `2026/01/31/${RECORDING}`,
  });
  const folder = join(it.config.paths.archive, row?.path ?? '');
  t.same(verifyFiles(folder), { ok: true, problems: [] });
  t.equal(row?.size, 44 + 8000 * 4);
  const metadata = readMetadata(folder);
  t.match(metadata, {
    callUuids: [CALL],
    callerPhoneNumber: '7002',
    dialedPhoneNumber: '7001',
    decision: { reason: 'DN 7001 has record=true', side: 'destination' },
    parties: [
      { channel: 0, role: 'agent', dn: '7001' },
      { channel: 1, role: 'customer', name: 'Žofie 李' },
    ],
    quality: [
      { channel: 0, codec: 'PCMU', packets: 50, lost: 0, audioMs: 1000 },
      { channel: 1, codec: 'PCMU', packets: 50, lost: 0, audioMs: 1000 },
    ],
    segments: [{ id: 'seg-1', reason: 'stopped' }],
    remarks: [],
  });
  t.same(
    metadata.events?.map(({ event }) => event),
    [...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING)].map(({ type }) => type),
  );
  t.not(channelOf(join(folder, 'audio.wav'), 0)[0], 0);
  t.same(it.spool(), []);
});

t.test('it is noticed without being asked, once the media is closed', async (t) => {
  const it = bench(t);
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING));
  it.state.writeSegment('seg-1', { ...known, closed: null }, BOTH);
  const daemon = await it.start({ pollMs: 50 });
  const state = () => daemon.routes?.['GET /recordings/:id']?.({ ...NO_REQUEST, params: { id: RECORDING } });
  t.match(state(), { state: 'waiting' });
  it.state.append('grec-sipd', END, ...callEnds(CALL, RECORDING));
  it.state.closeSegment('seg-1', { at: END });
  await until(() => it.rows().length > 0);
  t.match(state(), { state: 'complete' });
  t.throws(() => daemon.routes?.['GET /recordings/:id']?.({ ...NO_REQUEST, params: { id: 'x' } }), {
    code: 'RECORDING_UNKNOWN',
  });
});

t.test('the format is that of the configuration', async (t) => {
  const it = bench(t, 'recording.format = "wav-g711"\nrecording.channels = "mixed"\n');
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING));
  it.state.writeSegment('seg-1', known, BOTH);
  await it.sync(await it.start());
  const [row] = it.rows();
  const bytes = readFileSync(join(it.config.paths.archive, row?.path ?? '', 'audio.wav'));
  t.same([bytes.readUInt16LE(20), bytes.readUInt16LE(22), row?.size], [7, 1, bytes.length]);
});

t.test('no decoder: a failed row, an alarm with the reason, the segment is kept', async (t) => {
  const it = bench(t);
  const evs = [{ payloadType: 96, encoding: 'EVS', clockRate: 16_000, channels: 1 }];
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING));
  const capture = captureOf([
    ...talk({ label: 'a', payloadType: 96 }),
    ...talk({ label: 'b', payloadType: 96 }),
  ]);
  it.state.writeSegment('seg-1', { ...known, streams: [streamOf('a', evs), streamOf('b', evs)] }, capture);
  await it.sync(await it.start());
  t.match(it.rows(), [
    { id: RECORDING, state: 'failed', reason: /no decoder for EVS/, path: null, caller: '7002' },
  ]);
  t.match(it.alarms(), [
    { severity: 'major', subject: `recording ${RECORDING}`, message: /no decoder for EVS/ },
  ]);
  t.ok(existsSync(join(it.config.paths.spool, 'failed/seg-1/capture.pcap')));
  t.same(it.spool(), ['failed']);
  t.same(readdirSync(join(it.config.paths.archive, '2026/01/31')), []);
});

t.test('one channel without decoder: partial, with an alarm, and the segment is kept', async (t) => {
  const it = bench(t);
  const evs = [{ payloadType: 96, encoding: 'EVS', clockRate: 16_000, channels: 1 }];
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING));
  const capture = captureOf([...talk({ label: 'a', payloadType: 96 }), ...talk({ label: 'b' })]);
  it.state.writeSegment('seg-1', { ...known, streams: [streamOf('a', evs), streamOf('b')] }, capture);
  await it.sync(await it.start());
  t.match(it.rows(), [{ state: 'partial', reason: /one channel cannot be decoded/, duration: 1000 }]);
  t.equal(it.alarms().length, 1);
  t.same(it.spool(), ['failed']);
});

t.test('a codec that changes to one without decoder: partial, and the segment is kept', async (t) => {
  const it = bench(t);
  const both = [
    { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 },
    { payloadType: 97, encoding: 'EVS', clockRate: 16_000, channels: 1 },
  ];
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING));
  const capture = captureOf([
    ...talk({ label: 'a' }),
    ...talk({ label: 'b', packets: 25 }),
    ...talk({ label: 'b', packets: 25, payloadType: 97, at: T0 + 500_000, sequenceNumber: 1025 }),
  ]);
  it.state.writeSegment('seg-1', { ...known, streams: [streamOf('a'), streamOf('b', both)] }, capture);
  await it.sync(await it.start());
  t.match(it.rows(), [{ state: 'partial', reason: /part of one channel cannot be decoded/ }]);
  t.match(it.alarms(), [{ message: /part of one channel/ }]);
  t.ok(existsSync(join(it.config.paths.spool, 'failed/seg-1/capture.pcap')));
});

t.test('a few packets of a type that nobody described take nothing from a recording', async (t) => {
  const it = bench(t);
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING));
  const stray = talk({ label: 'b', packets: 5, payloadType: 101, at: T0 + 500_000, sequenceNumber: 1050 });
  const capture = captureOf([...talk({ label: 'a' }), ...talk({ label: 'b' }), ...stray]);
  it.state.writeSegment('seg-1', known, capture);
  await it.sync(await it.start());
  t.match(it.rows(), [{ state: 'complete', reason: null }]);
  t.same(it.spool(), []);
});

t.test('broken captures and facts fail with a reason and are kept', async (t) => {
  const it = bench(t);
  tellStory(it, Buffer.from('this is no pcap at all, sorry'));
  it.state.writeSegment('seg-2', { closed: null }, BOTH);
  const facts = join(it.state.segmentFolder('seg-2'), 'facts.jsonl');
  writeFileSync(facts, 'nonsense\n');
  utimesSync(facts, T0 / 1e6, T0 / 1e6);
  it.state.writeSegment('seg-3', { closed: null }, BOTH);
  rmSync(join(it.state.segmentFolder('seg-3'), 'facts.jsonl'));
  it.clock.now = Date.now() * 1000 + 61e6;
  await it.sync(await it.start());
  t.match(
    it
      .rows()
      .map(({ id, state, reason }) => [id, state, reason])
      .sort(),
    [
      [RECORDING, 'failed', /is no capture/],
      [recordingIdOfSegment('seg-2'), 'failed', /line 1 is not a segment fact/],
      [recordingIdOfSegment('seg-3'), 'failed', /there is no facts.jsonl/],
    ].sort(),
  );
  t.equal(it.alarms().length, 3);
  t.same(readdirSync(join(it.config.paths.spool, 'failed')).sort(), ['seg-1', 'seg-2', 'seg-3']);
});

t.test('a media server that ended without warning leaves a partial recording', async (t) => {
  const it = bench(t);
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING));
  it.state.writeSegment(
    'seg-1',
    { ...known, closed: { at: END, reason: 'recovered' } },
    BOTH.subarray(0, BOTH.length - 7),
  );
  await it.sync(await it.start());
  t.match(it.rows(), [{ state: 'partial', reason: /seg-1: its media server ended/ }]);
  t.same(it.spool(), []);
});

t.test('nobody answered, nobody spoke: nothing to record', async (t) => {
  const it = bench(t);
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING, false));
  it.state.writeSegment('seg-1', known, captureOf([]));
  const daemon = await it.start();
  await it.sync(daemon);
  t.same(it.rows(), []);
  t.same(it.alarms(), []);
  t.same(it.spool(), []);
});

t.test('rule 2: an answered call without any media is not passed over in silence', async (t) => {
  const it = bench(t);
  tellStory(it, captureOf([]));
  await it.sync(await it.start());
  t.match(it.rows(), [{ state: 'failed', reason: 'no media was captured' }]);
});

t.test('a recording that never came to be is a failed row with an alarm', async (t) => {
  const it = bench(t);
  const failure = {
    type: 'recording.failed',
    call: CALL,
    recording: RECORDING,
    reason: 'the media server is full',
  } as const;
  it.state.append(
    'grec-sipd',
    T0,
    ...callBegins(CALL, RECORDING).slice(0, 2),
    failure,
    ...callEnds(CALL, RECORDING).slice(1),
  );
  const daemon = await it.start();
  await it.sync(daemon);
  t.match(it.rows(), [{ id: RECORDING, state: 'failed', reason: failure.reason, startTime: T0 / 1000 }]);
  t.match(daemon.routes?.['GET /alarms']?.(NO_REQUEST), [{ message: failure.reason }]);
});

t.test('a foreign switch and a journal that is lost make recordings all the same', async (t) => {
  const it = bench(t);
  it.state.writeSegment('foreign', { closed: { at: END } }, BOTH);
  it.state.writeSegment('seg-1', known, BOTH);
  const daemon = await it.start();
  await it.sync(daemon);
  t.match(it.rows(), [
    { id: recordingIdOfSegment('foreign'), caller: '192.0.2.1', dn: null, direction: null },
  ]);
  it.clock.now += 61_000_000;
  await it.sync(daemon);
  const row = it.rows().find(({ id }) => id === RECORDING);
  t.match(row, { state: 'complete', caller: '7002', callee: '7001', dn: '7001' });
  t.match(readMetadata(join(it.config.paths.archive, row?.path ?? '')).remarks, [/no event of this call/]);
});

t.test('rule 8: a full disk: nothing is removed, one alarm, the work catches up', async (t) => {
  const it = bench(t);
  tellStory(it);
  let isFull = true;
  let attempts = 0;
  const finish: typeof finishRecording = async (task) => {
    attempts += 1;
    if (isFull) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    return finishRecording(task);
  };
  const daemon = await it.start({ finish, pollMs: 20, firstRetryMs: 20 });
  await until(() => attempts >= 2);
  t.same(it.rows(), []);
  t.same(it.spool(), ['seg-1']);
  t.match(it.alarms(), [{ subject: 'archive', severity: 'major', message: /ENOSPC/ }]);
  isFull = false;
  await until(() => it.rows().length > 0);
  await it.sync(daemon);
  t.match(it.rows(), [{ id: RECORDING, state: 'complete' }]);
  t.equal(it.alarms().length, 1);
});

t.test('an archive that cannot be written to, and then can', async (t) => {
  const it = bench(t);
  tellStory(it);
  mkdirSync(it.config.paths.state, { recursive: true });
  writeFileSync(it.config.paths.archive, 'a file where the archive should be');
  const daemon = await it.start({ pollMs: 20, firstRetryMs: 20 });
  await it.sync(daemon);
  t.match(it.alarms(), [{ subject: 'archive', message: /ENOTDIR|EEXIST/ }]);
  t.same(it.spool(), ['seg-1']);
  rmSync(it.config.paths.archive);
  await until(() => it.rows().length > 0);
  await it.sync(daemon);
  t.equal(it.alarms().length, 1);
  t.same(it.spool(), []);
});

t.test(
  'a crash after the archive and before the catalog: the recording is taken over as it is',
  async (t) => {
    const it = bench(t);
    tellStory(it);
    const first = await it.start({
      finish: async (task) => {
        await finishRecording(task);
        throw new Error('killed');
      },
    });
    await it.sync(first);
    await first.stop();
    const folder = join(it.config.paths.archive, '2026/01/31');
    const before = readMetadata(join(folder, RECORDING));
    t.same(it.rows(), []);
    const second = await it.start();
    await it.sync(second);
    t.same(readMetadata(join(folder, RECORDING)), before);
    t.match(it.rows(), [{ id: RECORDING, state: 'complete', path: `2026/01/31/${RECORDING}` }]);
    t.same(it.spool(), []);
  },
);

t.test(
  'a crash after the catalog and before the spool: the segment is taken away, nothing is made twice',
  async (t) => {
    const it = bench(t);
    tellStory(it);
    const copy = join(it.config.paths.state, 'copy');
    cpSync(it.config.paths.spool, copy, { recursive: true });
    const first = await it.start();
    await it.sync(first);
    await first.stop();
    cpSync(copy, it.config.paths.spool, { recursive: true });
    await it.sync(await it.start());
    t.equal(it.rows().length, 1);
    t.same(it.spool(), []);
  },
);

t.test('what a crash left half made is removed', async (t) => {
  const it = bench(t);
  it.state.writeSegment('seg-1', { ...known, closed: null }, BOTH);
  const leftover = join(it.config.paths.archive, '2026/01/31', `.${RECORDING}.tmp`);
  mkdirSync(leftover, { recursive: true });
  await it.start();
  t.notOk(existsSync(leftover));
});

t.test('half lines wait, bad lines are reported, and neither stops the rest', async (t) => {
  const it = bench(t);
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING));
  const journal = join(it.config.paths.journal, 'grec-sipd/0000000001.jsonl');
  const daemon = await it.start();
  writeFileSync(journal, '{"seq":5,"at":', { flag: 'a' });
  await it.sync(daemon);
  t.same(it.alarms(), []);
  writeFileSync(journal, 'oops\n', { flag: 'a' });
  const ends = callEnds(CALL, RECORDING).map((event, index) =>
    JSON.stringify({ seq: 6 + index, at: END, daemon: 'grec-sipd', ...event }),
  );
  writeFileSync(journal, `${ends.join('\n')}\n`, { flag: 'a' });
  it.state.writeSegment('seg-1', known, BOTH);
  await it.sync(daemon);
  t.match(it.alarms(), [{ subject: 'journal grec-sipd', severity: 'warning' }]);
  t.match(it.rows(), [{ id: RECORDING, state: 'complete' }]);
});

t.test('a recording name that would leave the archive does not', async (t) => {
  const it = bench(t);
  it.state.writeSegment(
    'seg-1',
    { metadata: metadataOf('../../../escaped', CALL), closed: { at: T0 } },
    BOTH,
  );
  it.clock.now += 120_000_000;
  await it.sync(await it.start());
  t.match(it.rows()[0]?.path, /^2026\/01\/31\/[0-9a-f-]{36}$/);
});

t.test('a journal whose end was lost uses numbers again: the new event counts', async (t) => {
  const it = bench(t);
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING));
  it.state.writeSegment('seg-1', known, BOTH);
  const first = await it.start();
  await it.sync(first);
  await first.stop();
  const file = join(it.config.paths.journal, 'grec-sipd', '0000000001.jsonl');
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, 2);
  // The power failed after two lines were on the disk; the next life of the switch goes on with number 3.
  const released = { ...callEnds(CALL, RECORDING).at(-1), seq: 3, at: END, daemon: 'grec-sipd' };
  writeFileSync(file, `${[...lines, JSON.stringify(released)].join('\n')}\n`);
  t.match(await it.sync(await it.start()), { recordings: 1, failed: 0, backlog: 0 });
});

t.test('a catalog that was lost takes its recordings over from the archive', async (t) => {
  const it = bench(t);
  tellStory(it);
  const first = await it.start();
  await it.sync(first);
  const [before] = it.rows();
  await first.stop();
  for (const end of ['', '-wal', '-shm']) rmSync(`${it.config.paths.catalog}${end}`, { force: true });
  it.clock.now = END + 3_600_000_000;
  const status = await it.sync(await it.start());
  t.match(status, { recordings: 1, failed: 0, alarms: 0 });
  t.same(it.rows(), [before]);
});

t.test('the last start of the switch is known after a restart of the processor', async (t) => {
  const it = bench(t);
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING));
  it.state.writeSegment('seg-1', known, BOTH);
  it.state.append('grec-sipd', END, { type: 'daemon.started', version: '1', pid: 1 });
  const first = await it.start();
  t.match(await it.sync(first), { recordings: 0 });
  await first.stop();
  it.clock.now = END + 11_000_000;
  t.match(await it.sync(await it.start()), { recordings: 1, failed: 0 });
  t.match(it.rows(), [{ id: RECORDING, state: 'complete' }]);
});

t.test('a capture that lost its end after it was closed makes a partial recording', async (t) => {
  const it = bench(t);
  it.state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING));
  const closed = { at: END, packets: { a: 50, b: 50 } };
  it.state.writeSegment('seg-1', { ...known, closed }, BOTH.subarray(0, BOTH.length - 1000));
  await it.sync(await it.start());
  t.match(it.rows(), [{ id: RECORDING, state: 'partial', reason: /holds 95 of the 100 packets/ }]);
  t.match(it.alarms(), [{ severity: 'warning' }]);
});

t.test('a catalog that is removed under a running processor begins anew', async (t) => {
  const it = bench(t);
  tellStory(it);
  const daemon = await it.start();
  await it.sync(daemon);
  const [before] = it.rows();
  const remove = () => {
    for (const end of ['', '-wal', '-shm']) rmSync(`${it.config.paths.catalog}${end}`, { force: true });
  };
  remove();
  it.clock.now = END + 3_600_000_000;
  t.match(await it.sync(daemon), { recordings: 1, failed: 0, problem: null });
  t.same(it.rows(), [before], 'with what the archive holds');
  remove();
  writeFileSync(it.config.paths.catalog, 'garbage '.repeat(1000));
  await t.rejects(it.sync(daemon));
  remove();
  t.match(await it.sync(daemon), { recordings: 1, failed: 0, problem: null }, 'mended when it is moved away');
});
