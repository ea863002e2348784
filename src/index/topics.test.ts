// Topics: what a file may say, what is tagged and told, and tagging anew.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import { archiveSpoken, idOf, NO_TRANSCRIBER } from './fixtures/recordings.ts';
import { openIndexReader } from './index.ts';
import { Indexer } from './indexer.ts';
import { checkTopics, readTopics } from './topics.ts';

const mistakes = (toml: string) =>
  checkTopics(toml).problems.map(({ line, key, message }) => `${line} ${key}: ${message}`);

t.test('a file of topics, and every mistake in it', async (t) => {
  const { topics, problems } = checkTopics(`
[[topic]]
name = "refund"
find = ["refund*", '"money back"']
not = ["no refund"]
party = "customer"
alert = true
[[program]]
name = "care"
topics = ["refund"]
`);
  t.same(problems, []);
  t.match(topics?.topics[0], {
    name: 'refund',
    party: 'customer',
    alert: true,
    match: /refund.*money back.*NOT/,
  });
  t.same([...(topics?.programs ?? [])], [['care', ['refund']]]);
  t.same(checkTopics('').topics, { topics: [], programs: new Map() });
  for (const [toml, message] of [
    ['[[topic]]\nname = "a"', /find: missing/],
    ['[[topic]]\nname = "a b"\nfind = ["x"]', /name: expected a name/],
    ['[[topic]]\nname = "a"\nfind = []', /find: expected a list of questions/],
    ['[[topic]]\nname = "a"\nfind = ["!"]', /find\[0\]: expected a list of questions.*with a word in each/],
    ['[[topic]]\nname = "a"\nfind = ["NOT x"]', /find\[0\]: expected .*: a question says what is wanted/],
    ['[[topic]]\nname = "a"\nfind = [1]', /find\[0\]/],
    ['[[topic]]\nname = "a"\nfind = ["x"]\nparty = "boss"', /party: expected one of/],
    [
      '[[topic]]\nname = "a"\nfind = ["x"]\n[[topic]]\nname = "a"\nfind = ["x"]',
      /5 topic\[1\].name: the name "a" is used twice/,
    ],
    ['[[program]]\nname = "p"\ntopics = ["a"]', /topics\[0\]: there is no topic "a"/],
    ['[[topics]]\nname = "a"', /unknown key; accepted here: topic, program/],
    ['topic = 1\nprogram = "x"', /expected \[\[topic\]\]/],
    ['[[topic', /./],
  ] as const)
    t.match(mistakes(toml).join('\n'), message, toml);
  t.same(readTopics(join(t.testdir(), 'none.toml')).topics, []);
  const file = join(t.testdir({ 'topics.toml': 'x' }), 'topics.toml');
  t.throws(() => readTopics(file), { code: 'CONFIG_INVALID', hint: /grec-topics/ });
  t.throws(() => readTopics(t.testdirName), { code: 'CONFIG_UNREADABLE' });
});

t.test('passages are tagged as they come, told once, and tagged anew when it is asked for', async (t) => {
  const folder = t.testdir();
  const at = (name: string) => join(folder, name);
  const catalog = openCatalog(at('catalog.db'));
  t.teardown(() => catalog.close());
  const topic = (name: string, rest: string) => `[[topic]]\nname = "${name}"\n${rest}\n`;
  writeFileSync(
    at('topics.toml'),
    topic('refund', 'find = ["refund", "voucher"]\nparty = "customer"\nalert = true') +
      topic('calm', 'find = ["want"]\nnot = ["refund"]'),
  );
  archiveSpoken(at('archive'), catalog, { id: idOf(1), at: Date.now() - 20_000 });
  archiveSpoken(at('archive'), catalog, { id: idOf(2) });
  const script = `cat <<'END'\nWEBVTT\n\n00:00.500 --> 00:01.000\nI want a refund\n\n00:01.200 --> 00:02.000\nI want peace\nEND`;
  const told: string[] = [];
  const problems: string[] = [];
  const indexer = new Indexer({
    ...{
      archive: at('archive'),
      catalog: at('catalog.db'),
      index: at('index.db'),
      transcripts: at('transcripts'),
    },
    ...{ folder: at('indexing'), topics: at('topics.toml'), ffmpeg: undefined, pollMs: 10 },
    transcription: { ...NO_TRANSCRIBER, transcriber: 'command', command: ['/bin/sh', '-c', script] },
    onProblem: (problem) => problems.push(problem),
    onTopic: (name, recording) => told.push(`${name} ${recording}`),
  });
  indexer.start();
  t.teardown(() => indexer.stop());
  const reader = openIndexReader(at('index.db'));
  t.teardown(() => reader.close());
  const until = async (isSo: () => boolean) => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await until(() => reader.topics(idOf(1)).length === 2 && reader.topics(idOf(2)).length === 2);
  t.match(reader.topics(idOf(1)), [
    { topic: 'calm', party: 'agent', passages: 2 },
    { topic: 'refund', party: 'customer', passages: 1 },
  ]);
  t.same(told, [`refund ${idOf(1)}`], 'one whose topic has no alert, and one of long ago, are not told');
  t.same(
    reader.findRecordings({ topics: ['refund', 'none'], limit: 9 }).map(({ id }) => id),
    [idOf(1), idOf(2)],
  );
  t.same(reader.findRecordings({ topics: ['none'], limit: 9 }), []);
  writeFileSync(at('topics.toml'), topic('peace', 'find = ["peace"]\nalert = true'));
  t.equal(indexer.redo('topics'), 2);
  await until(() => reader.topics(idOf(2))[0]?.topic === 'peace');
  await until(() => reader.topics(idOf(1))[0]?.topic === 'peace');
  t.same([reader.topics(idOf(1)).length, told.length], [1, 1], 'what is tagged anew is not told');
  writeFileSync(at('topics.toml'), 'topic = "broken"');
  await until(() => problems.length === 1);
  indexer.redo('topics');
  await until(() => indexer.status().waiting === 0);
  t.match(reader.topics(idOf(1)), [{ topic: 'peace' }], 'the topics before stay in force');
});
