// Questions: each kind means what it says, and whatever is typed is never an error of syntax.
import Database from 'better-sqlite3';
import fc from 'fast-check';
import t from 'tap';
import { joinArguments, readQuery } from './query.ts';

const PASSAGES = [
  'I want my money back',
  'money is not what I want, no refund',
  'a réfund of the Straße order',
  "Mr O'Brien sent the money and then, much much later, he took back the order",
];

function opened() {
  const db = new Database(':memory:');
  db.exec(
    `CREATE VIRTUAL TABLE words USING fts5(text, facets, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3 4')`,
  );
  const put = db.prepare('INSERT INTO words (text, facets) VALUES (?, ?)');
  for (const text of PASSAGES) put.run(text, 'order');
  const ask = db.prepare<[string], { id: number }>(
    'SELECT rowid AS id FROM words WHERE words MATCH ? ORDER BY rowid',
  );
  return {
    ask: (text: string) => ask.all(readQuery(text) ?? '""').map(({ id }) => id),
    close: () => db.close(),
  };
}

t.test('what each question finds', async (t) => {
  const { ask, close } = opened();
  t.teardown(close);
  for (const [question, found] of [
    ['money', [1, 2, 4]],
    ['MONEY want', [1, 2]],
    ['"money back"', [1]],
    ['"money back', [1]],
    ['"money back"want', [1]],
    ['refund', [2, 3]],
    ['RÉFUND', [2, 3]],
    ['refu*', [2, 3]],
    ['"the money a"*', [4]],
    ['refund OR back', [1, 2, 3, 4]],
    ['money NOT refund', [1, 4]],
    ['money -refund', [1, 4]],
    ['money -"much much" -refund', [1]],
    ['money NOT refund back', [1, 4]],
    ['-refund money', [1, 4]],
    ['money NEAR/5 back', [1]],
    ['money NEAR back', [1, 4]],
    ['money NEAR/99 back NEAR/99 order', [4]],
    ["o'brien", [4]],
    ['order', [3, 4]],
    ['money AND back OR refund AND order', [1, 3, 4]],
    ['OR money OR', [1, 2, 4]],
    ['NEAR/5 money NEAR', [1, 2, 4]],
    ['money !!! (', [1, 2, 4]],
    ['facets:order', []],
    ['text:money', []],
    ['nothing', []],
  ] as const)
    t.same(ask(question), found, question);
});

t.test('what asks for nothing, too much, or only for what is not to be there', async (t) => {
  for (const text of ['', '  ', '"', '""', '!', "'", '*', '-', 'OR', 'NEAR/3', '"***"', '\0'])
    t.equal(readQuery(text), undefined, text);
  t.throws(() => readQuery('x'.repeat(1001)), { code: 'USAGE' });
  t.throws(() => readQuery('x '.repeat(41)), { code: 'USAGE' });
  t.throws(() => readQuery('a*'), { code: 'USAGE', message: /too short/ });
  t.throws(() => readQuery('-refund'), { code: 'USAGE', hint: /refund NOT order/ });
  t.throws(() => readQuery('NOT refund'), { code: 'USAGE' });
});

t.test('what a shell keeps together is a phrase', async (t) => {
  t.equal(joinArguments(['money back', 'refund', '"a b" c']), '"money back" refund "a b" c');
});

t.test('whatever is typed, FTS5 understands it', async (t) => {
  const { ask, close } = opened();
  t.teardown(close);
  const piece = fc.oneof(
    fc.constantFrom(
      '"',
      '*',
      '-',
      '(',
      ')',
      ':',
      '^',
      '+',
      '{',
      '}',
      ',',
      'OR',
      'NOT',
      'AND',
      'NEAR',
      'NEAR/2',
      'NEAR(',
      ' ',
      ' ',
      '\0',
      "'",
      'money',
      'text',
    ),
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.string({ unit: 'grapheme', maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      try {
        ask(pieces.join(''));
      } catch (thrown) {
        if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'USAGE')) throw thrown;
      }
    }),
    { numRuns: 400 },
  );
  t.pass();
});
