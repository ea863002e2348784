// The indexer: each recording is looked into once, what fails is tried again, nothing is lost by an end at any instant.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import type { TranscriberSettings } from '../speech/choose-transcriber.ts';
import { readTranscript, transcriptFile, writeTranscript } from '../speech/transcript.ts';
import { archiveSpoken, idOf, NO_TRANSCRIBER, START } from './fixtures/recordings.ts';
import { openIndex, openIndexReader } from './index.ts';
import { Indexer } from './indexer.ts';

function installed(t: Test) {
  const folder = t.testdir();
  const paths = {
    archive: join(folder, 'archive'),
    catalog: join(folder, 'catalog.db'),
    index: join(folder, 'index.db'),
    transcripts: join(folder, 'transcripts'),
    topics: join(folder, 'topics.toml'),
    folder: join(folder, 'indexing'),
  };
  const catalog = openCatalog(paths.catalog);
  t.teardown(() => catalog.close());
  const problems: string[] = [];
  const onProblem = (problem: string) => problems.push(problem);
  const start = (transcription: TranscriberSettings = NO_TRANSCRIBER) => {
    const times = { pollMs: 10, firstRetryMs: 40 };
    const indexer = new Indexer({ ...paths, ffmpeg: undefined, onProblem, transcription, ...times });
    indexer.start();
    return indexer;
  };
  return { ...paths, store: catalog, problems, start };
}

/** Waits until it is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
}

t.test('a recording is looked into, and what its voices tell is found', async (t) => {
  const { archive, store, index, start } = installed(t);
  archiveSpoken(archive, store, { id: idOf(1), agentId: 'alice' });
  const indexer = start();
  await until(() => indexer.status().waiting === 0 && indexer.status().recordings === 1);
  archiveSpoken(archive, store, { id: idOf(2), at: START + 60_000 });
  await until(() => indexer.status().recordings === 2 && indexer.status().waiting === 0);
  t.match(indexer.status(), { problems: 0, behind: 0, problem: null });
  await indexer.stop();
  const reader = openIndexReader(index);
  t.teardown(() => reader.close());
  const told = reader.analytics(idOf(1));
  const [agent, customer] = told?.parties ?? [];
  t.match(agent, { role: 'agent', agentId: 'alice', turns: 2, interruptions: 0 });
  t.match(customer, { role: 'customer', turns: 2, interruptions: 0 });
  t.ok(Math.abs((agent?.talk ?? 0) - 6400) < 400, `${agent?.talk}`);
  t.ok(Math.abs((customer?.talk ?? 0) - 6000) < 400, `${customer?.talk}`);
  t.ok((told?.talkOver ?? 0) > 0, 'the agent answers before the customer has ended');
});

t.test('what fails is listed and tried again; what is encrypted waits for nothing', async (t) => {
  const { archive, store, index, problems, start } = installed(t);
  const broken = archiveSpoken(archive, store, { id: idOf(1) });
  renameSync(join(broken, 'audio.wav'), join(broken, 'away'));
  const sealed = archiveSpoken(archive, store, { id: idOf(2) });
  renameSync(join(sealed, 'audio.wav'), join(sealed, 'audio.wav.cms'));
  const damaged = archiveSpoken(archive, store, { id: idOf(3) });
  writeFileSync(join(damaged, 'metadata.json'), '{"version": 2');
  const indexer = start();
  t.teardown(() => indexer.stop());
  const reader = openIndex(index);
  t.teardown(() => reader.close());
  const attemptsOf = (id: string) => reader.problems().find((row) => row.id === id)?.attempts ?? 0;
  await until(() => attemptsOf(idOf(1)) > 1 && attemptsOf(idOf(3)) > 1);
  t.match(
    reader.problems().find((row) => row.id === idOf(2)),
    { problem: /encrypted/, dueAt: null, attempts: 1 },
  );
  t.equal(problems.filter((problem) => /metadata\.json/.test(problem)).length, 1, 'told once');
  renameSync(join(broken, 'away'), join(broken, 'audio.wav'));
  await until(() => reader.analytics(idOf(1)) !== undefined);
  t.same(reader.problems().length, 2);
});

t.test('made again it is looked into again, unless it is made of the same', async (t) => {
  const { archive, store, index, start } = installed(t);
  archiveSpoken(archive, store, { id: idOf(1), madeOf: 'a' });
  const indexer = start();
  t.teardown(() => indexer.stop());
  const reader = openIndex(index);
  t.teardown(() => reader.close());
  await until(() => reader.analytics(idOf(1)) !== undefined);
  const masked = [{ startTime: new Date(START).toISOString(), recording: 'r', reason: 'card' }];
  archiveSpoken(archive, store, { id: idOf(1), madeOf: 'a', masked }, START + 20_000);
  archiveSpoken(archive, store, { id: idOf(2), madeOf: 'a' }, START + 20_000);
  await until(() => reader.analytics(idOf(2)) !== undefined && reader.state(idOf(1))?.dueAt === null);
  t.equal(reader.analytics(idOf(1))?.masked, 0, 'it was not looked into');
  archiveSpoken(archive, store, { id: idOf(1), madeOf: 'b', masked }, START + 30_000);
  await until(() => reader.analytics(idOf(1))?.masked === 12_400);
  t.equal(reader.analytics(idOf(1))?.talk, 0, 'and nothing is said where it is masked');
  t.equal(indexer.redo('all'), 2);
  await until(() => indexer.status().waiting === 0);
});

t.test('one that was killed leaves its queue, and nothing in clear', async (t) => {
  const { archive, store, index, folder, start } = installed(t);
  archiveSpoken(archive, store, { id: idOf(1) });
  mkdirSync(join(folder, 'wav-x'), { recursive: true });
  const killed = openIndex(index);
  const row = { ...store.list()[0], finishedAt: START + 15_000 } as Parameters<typeof killed.put>[0];
  killed.put(row, 1);
  killed.take(1, () => 1);
  killed.close();
  const indexer = start();
  t.teardown(() => indexer.stop());
  t.notOk(existsSync(folder));
  await until(() => indexer.status().waiting === 0);
});

/** Writes when each of its files was made, and one cue in the first piece of it. */
const ENGINE = `
const { statSync } = require('node:fs');
const size = statSync(process.argv[1]).size;
process.stdout.write('WEBVTT\\n\\n00:00:00.500 --> 00:00:01.000\\nI want a REFUND of ' + size + '\\n');
`;
const engine = (script: string): TranscriberSettings => ({
  ...NO_TRANSCRIBER,
  transcriber: 'command',
  command: [process.execPath, '-e', script],
  model: 'test',
});

t.test('a transcript is kept, heard once, and goes with its recording', async (t) => {
  const { archive, store, index, transcripts, start } = installed(t);
  archiveSpoken(archive, store, { id: idOf(1) });
  let indexer = start(engine(ENGINE));
  await until(() => indexer.status().recordings === 1 && indexer.status().waiting === 0);
  t.match(indexer.status(), { problems: 0, engine: { model: 'test', kind: 'transcript' } });
  await indexer.stop();
  const first = readTranscript(transcripts, idOf(1), 'original');
  t.match(first, {
    recording: idOf(1),
    madeOf: 'a',
    engine: { model: 'test' },
    passages: [
      { channel: 0, role: 'agent', number: '7001', text: /^I want a REFUND of \d+$/ },
      { channel: 1, role: 'customer', number: '5551234', text: /REFUND/ },
    ],
  });
  // The first words of each party.
  t.ok(
    Math.abs((first?.passages[0]?.from ?? 0) - 300) < 200 &&
      Math.abs((first?.passages[1]?.from ?? 0) - 3500) < 250,
  );

  indexer = start(engine('process.exit(1)'));
  t.equal(indexer.redo('all'), 1);
  await until(() => indexer.status().waiting === 0);
  t.match(indexer.status(), { problems: 0 }, 'what was heard is not heard again');
  t.equal(indexer.redo('transcripts'), 1);
  await until(() => indexer.status().problems === 1);
  const reader = openIndex(index);
  t.teardown(() => reader.close());
  t.match(reader.problems(), [{ problem: /node failed: it ended with 1/ }]);
  t.ok(reader.analytics(idOf(1)), 'everything else is known');
  t.same(readTranscript(transcripts, idOf(1), 'original'), first);
  await indexer.stop();

  indexer = start(engine(ENGINE.replace('REFUND', 'voucher')));
  t.teardown(() => indexer.stop());
  t.equal(indexer.redo('problems'), 1);
  await until(() => indexer.status().problems === 0 && indexer.status().waiting === 0);
  t.match(readTranscript(transcripts, idOf(1), 'original')?.passages[0], { text: /voucher/ });
  store.acts.delete({ id: idOf(1), at: '2026-05-30T00:00:00.000Z', rule: 'asked', act: 1 });
  store.acts.setThrough(1);
  await until(() => indexer.status().recordings === 0);
  t.notOk(existsSync(transcriptFile(transcripts, idOf(1))));
});

t.test('what is encrypted when it is made again is known no more', async (t) => {
  const { archive, store, index, transcripts, start } = installed(t);
  const directory = archiveSpoken(archive, store, { id: idOf(1) });
  const indexer = start(engine(ENGINE));
  t.teardown(() => indexer.stop());
  const reader = openIndex(index);
  t.teardown(() => reader.close());
  const found = () => reader.findPassages('refund', { limit: 9 }).length;
  await until(() => found() === 2);
  archiveSpoken(archive, store, { id: idOf(1), madeOf: 'b' }, START + 60_000);
  renameSync(join(directory, 'audio.wav'), join(directory, 'audio.wav.cms'));
  // The indexer may have come in between.
  store.putRecording({ ...store.find(idOf(1)), duration: 12_401 }, [], START + 61_000);
  await until(() => reader.problems().length === 1);
  t.match(reader.problems(), [{ problem: /encrypted/ }]);
  t.same([found(), reader.analytics(idOf(1))], [0, undefined]);
  t.notOk(existsSync(transcriptFile(transcripts, idOf(1))));
});

t.test('strange words in metadata and transcripts stop nothing', async (t) => {
  const { archive, store, index, transcripts, start } = installed(t);
  const directory = archiveSpoken(archive, store, { id: idOf(1) });
  const metadata = JSON.parse(readFileSync(join(directory, 'metadata.json'), 'utf8'));
  const strange = {
    ...metadata,
    duration: 12_400.7,
    startTime: 'yesterday',
    masked: [{ startTime: '?', recording: '', reason: '' }],
  };
  writeFileSync(join(directory, 'metadata.json'), JSON.stringify(strange));
  const passage = { channel: 0, from: 9e15, to: 1e300, text: 'far\u0000away \ue000 here' };
  const told = { engine: 'x', model: '', version: '', kind: 'transcript' as const };
  const transcript = {
    version: 1 as const,
    recording: idOf(1),
    madeOf: 'a',
    engine: told,
    createdAt: '',
    passages: [passage],
  };
  writeTranscript(transcripts, transcript, 'original');
  archiveSpoken(archive, store, { id: idOf(2) });
  const indexer = start();
  t.teardown(() => indexer.stop());
  const reader = openIndex(index);
  t.teardown(() => reader.close());
  await until(() => indexer.status().waiting === 0 && reader.analytics(idOf(2)) !== undefined);
  t.match(indexer.status(), { problems: 0, problem: null });
  t.same(reader.problems(), []);
  t.match(reader.findPassages('"far away"', { limit: 9 }), [{ id: idOf(1), from: 12_400 }]);
});

t.test('nothing of a masked span reaches an engine', async (t) => {
  const { archive, store, transcripts, start } = installed(t);
  const masked = [{ startTime: new Date(START).toISOString(), recording: 'r', reason: 'card' }];
  archiveSpoken(archive, store, { id: idOf(1), masked });
  const indexer = start(engine(ENGINE));
  t.teardown(() => indexer.stop());
  await until(() => indexer.status().recordings === 1 && indexer.status().waiting === 0);
  t.same(readTranscript(transcripts, idOf(1), 'original')?.passages, []);
});

t.test('an engine that is stopped in the middle is no failure, and heard again', async (t) => {
  const { archive, store, index, start, folder } = installed(t);
  archiveSpoken(archive, store, { id: idOf(1) });
  const indexer = start(engine('setInterval(() => {}, 1000)'));
  await until(() => existsSync(folder));
  await indexer.stop();
  const reader = openIndex(index);
  t.teardown(() => reader.close());
  t.match(reader.backlog(), { waiting: 1, problems: 0 });
  t.ok((reader.state(idOf(1))?.dueAt ?? Infinity) <= Date.now());
});
