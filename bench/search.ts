// How fast the index is made, and how fast it answers: made-up recordings with words as often as in speech.
// What is measured and how stands in README.md.
//
//   node bench/search.ts [--recordings 1000000] [--passages 10] [--questions 300] [--json] [--short] [--keep DIRECTORY]
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type IndexReader, openIndex, openIndexReader } from '../src/index/index.ts';
import { readQuery } from '../src/index/query.ts';
import type { FindFilter } from '../src/index/rows.ts';
import { Corpus } from './search-corpus.ts';

const { values } = parseArgs({
  options: {
    recordings: { type: 'string', default: '1000000' },
    passages: { type: 'string', default: '10' },
    questions: { type: 'string', default: '300' },
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    keep: { type: 'string' },
  },
});
const recordings = values.short ? 500 : Number(values.recordings);
const passages = Number(values.passages);
const questions = values.short ? 20 : Number(values.questions);
const FIRST = Date.UTC(2026, 0, 1);
const BATCH = 500;
const PAGE = 50;

const directory = values.keep ?? mkdtempSync(join(tmpdir(), 'grec-bench-search-'));
const file = join(directory, 'index.db');
try {
  const made = existsSync(file) ? undefined : make();
  const reader = openIndexReader(file);
  const answered = ask(reader);
  reader.close();
  show(
    { recordings, passages: recordings * passages, index_mb: Math.round(statSync(file).size / 1e6), ...made },
    answered,
  );
} finally {
  if (values.keep === undefined) rmSync(directory, { recursive: true, force: true });
}

/** As the indexer does it, but for the looking into files. */
function make(): Record<string, number> {
  const corpus = new Corpus();
  const index = openIndex(file);
  const began = performance.now();
  for (let from = 0; from < recordings; from += BATCH)
    index.transaction(() => {
      for (let number = from; number < Math.min(recordings, from + BATCH); number++)
        putOne(corpus, index, number);
    });
  index.close();
  const seconds = (performance.now() - began) / 1000;
  return {
    recordings_per_s: Math.round(recordings / seconds),
    passages_per_s: Math.round((recordings * passages) / seconds),
  };
}

function putOne(corpus: Corpus, index: ReturnType<typeof openIndex>, number: number): void {
  const row = corpus.recording(number, FIRST);
  index.put(row, number);
  const taken = index.take(Number.MAX_SAFE_INTEGER, () => Number.MAX_SAFE_INTEGER);
  if (taken === undefined) throw new Error('nothing was due');
  const third = Math.floor(row.duration / 3);
  const sums = { talk: 2 * third, silence: third, longestSilence: 5000, longestSilenceAt: 0, talkOver: 0 };
  const analytics = { duration: row.duration, ...sums, hold: 0, holds: 0, masked: 0, parties: [] };
  const said = corpus.passages(passages, row.duration);
  index.done(taken, { madeOf: 'x', agent: corpus.agent(), analytics, passages: said });
}

type Question = (corpus: Corpus) => [question: string, filter?: Partial<FindFilter>];

function kinds(): Record<string, Question> {
  /** One of the most frequent words, and one that is said once in some thousand passages. */
  const common = (corpus: Corpus) => corpus.wordOf(corpus.pick(30));
  const rare = (corpus: Corpus) => corpus.wordOf(500 + corpus.pick(10_000));
  const week = () => ({ since: FIRST + (recordings * 86_400_000) / 5000 - 7 * 86_400_000 });
  return {
    common: (corpus) => [common(corpus)],
    rare: (corpus) => [rare(corpus)],
    two_words: (corpus) => [`${common(corpus)} ${rare(corpus)}`],
    phrase: (corpus) => [`"${common(corpus)} ${common(corpus)}"`],
    prefix: (corpus) => [`${rare(corpus).slice(0, 4)}*`],
    near: (corpus) => [`${common(corpus)} NEAR/5 ${common(corpus)}`],
    either_not: (corpus) => [`${rare(corpus)} OR ${rare(corpus)} NOT ${common(corpus)}`],
    party: (corpus) => [common(corpus), { party: 'customer' }],
    dn: (corpus) => [common(corpus), { dn: corpus.dn() }],
    dn_agent_party: (corpus) => [common(corpus), { dn: corpus.dn(), agent: corpus.agent(), party: 'agent' }],
    last_week: (corpus) => [common(corpus), week()],
    longer: (corpus) => [common(corpus), { longerThan: 500_000 }],
    relevance_rare: (corpus) => [rare(corpus), { sort: 'relevance' }],
    newest: () => [''],
    newest_of_dn: (corpus) => ['', { dn: corpus.dn() }],
    newest_of_number: (corpus) => ['', { number: corpus.number() }],
  };
}

function ask(reader: IndexReader): Record<string, { p50_ms: number; p99_ms: number; found: number }> {
  const corpus = new Corpus(7);
  return Object.fromEntries(
    Object.entries(kinds()).map(([kind, question]) => {
      const times: number[] = [];
      let found = 0;
      for (let count = 0; count < questions; count++) {
        const [words, filter = {}] = question(corpus);
        const began = performance.now();
        const match = readQuery(words);
        const all = { limit: PAGE, ...filter };
        found += (match === undefined ? reader.findRecordings(all) : reader.findPassages(match, all)).length;
        times.push(performance.now() - began);
      }
      times.sort((one, other) => one - other);
      const at = (share: number) =>
        Math.round((times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0) * 100) / 100;
      return [kind, { p50_ms: at(0.5), p99_ms: at(0.99), found: Math.round(found / questions) }];
    }),
  );
}

function show(figures: Record<string, number>, answered: ReturnType<typeof ask>): void {
  if (values.json) {
    console.log(JSON.stringify({ ...figures, questions: answered }));
    return;
  }
  for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(18)} ${value}`);
  for (const [kind, { p50_ms, p99_ms, found }] of Object.entries(answered))
    console.log(`${kind.padEnd(18)} p50 ${p50_ms} ms, p99 ${p99_ms} ms, ${found} found`);
}
