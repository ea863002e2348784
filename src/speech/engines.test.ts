// Engines: what any program answers, and what becomes of one that hangs, grows, crashes or talks nonsense; PocketSphinx.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { spokenWav } from '../index/fixtures/recordings.ts';
import { chooseTranscriber } from './choose-transcriber.ts';
import { commandTranscriber } from './command-transcriber.ts';
import { cutSpeech, piecesOf } from './cut-speech.ts';
import { hearSpeech } from './hear.ts';
import { hasPocketSphinx, pocketSphinx } from './pocketsphinx.ts';
import { runLimited } from './run-limited.ts';
import { placePassages } from './transcriber.ts';

const LIMITS = { timeMs: 20_000, memoryMb: 4000 };
const limitsOf = () => LIMITS;
const SPEECH = { wav: '/dev/null', pieces: [{ from: 0, to: 9000, at: 0 }] };

/** A program that takes the file and writes this. */
function answer(t: Test, text: string) {
  const file = join(t.testdir({ answer: text }), 'answer');
  return commandTranscriber({ command: ['sh', '-c', 'cat "$0"', file], model: 'm', limitsOf });
}

t.test('WebVTT, and JSON as whisper and others write it', async (t) => {
  const vtt = await answer(t, 'WEBVTT\n\n00:01.000 --> 00:02.000\n<v x>Hello there\n').transcribe(SPEECH);
  t.same(vtt, [{ from: 1000, to: 2000, text: 'Hello there', words: [] }]);
  const json = JSON.stringify({
    language: 'en',
    segments: [
      {
        start: 1.5,
        end: 3,
        text: ' I want\na refund ',
        words: [{ start: 1.5, end: 1.7, word: ' I', probability: 0.9 }],
      },
      { start: 4, end: 5, text: ' ', confidence: 0.1 },
    ],
  });
  t.match(await answer(t, json).transcribe(SPEECH), [
    {
      from: 1500,
      to: 3000,
      text: 'I want a refund',
      confidence: 0.9,
      words: [{ from: 1500, to: 1700, text: 'I' }],
    },
  ]);
  t.same(await answer(t, '{"segments": []}').transcribe(SPEECH), []);
  t.same(await answer(t, 'WEBVTT').spot(SPEECH, ['x']), []);
});

t.test('what is neither says so', async (t) => {
  for (const text of [
    '',
    'hello',
    '{"segments": 1}',
    '{"segments": [{"start": -1, "end": 2, "text": "x"}]}',
    '\0\xff',
  ])
    await t.rejects(answer(t, text).transcribe(SPEECH), {
      code: 'TRANSCRIBER_FAILED',
      message: /neither WebVTT nor JSON/,
    });
});

t.test('the file stands where it is named, and otherwise last', async (t) => {
  const folder = t.testdir();
  const [out, wav] = [join(folder, 'out'), join(folder, 'a b.wav')];
  const script = `printf '%s|' "$@" > '${out}'; echo WEBVTT`;
  const run = (...args: string[]) =>
    commandTranscriber({
      command: ['sh', '-c', script, 'x', ...args],
      model: undefined,
      limitsOf,
    }).transcribe({ ...SPEECH, wav });
  await run('-f', '{wav}', '--out=-');
  t.equal(readFileSync(out, 'utf8'), `-f|${wav}|--out=-|`);
  await run('-m', 'base');
  t.equal(readFileSync(out, 'utf8'), `-m|base|${wav}|`);
});

t.test('a program that is not there, and none that may be run', async (t) => {
  const open = (...command: string[]) => commandTranscriber({ command, model: 'base', limitsOf }).open();
  await t.rejects(open('no-such-program'), { code: 'TRANSCRIBER_UNUSABLE', hint: /\[index\] command/ });
  await t.rejects(open('/etc/passwd'), { code: 'TRANSCRIBER_UNUSABLE' });
  t.same(await open('/bin/sh'), { engine: 'sh', model: 'base', version: '', kind: 'transcript' });
  const model = t.testdir();
  if (hasPocketSphinx())
    await t.rejects(pocketSphinx({ model, limitsOf }).open(), {
      code: 'TRANSCRIBER_UNUSABLE',
      message: /lacks .*mdef/,
    });
  const settings = { phrases: [], memory: 4000, patience: 20 };
  t.equal(chooseTranscriber({ ...settings, transcriber: 'none' }), undefined);
  t.equal(
    chooseTranscriber({ ...settings, transcriber: 'auto', model }),
    undefined,
    'nothing there that could be used',
  );
  t.ok(
    chooseTranscriber({ ...settings, transcriber: 'pocketsphinx', model }),
    'it says what it lacks when it is opened',
  );
});

t.test(
  'an engine that hangs, grows, crashes or writes without end is ended, with its children',
  async (t) => {
    const failed = (script: string, limits = LIMITS) => runLimited(['sh', '-c', script], limits);
    const isTold = (message: RegExp) => ({ code: 'TRANSCRIBER_FAILED', message });
    const mark = join(t.testdir(), 'mark');
    await t.rejects(
      failed(`(sleep 1; touch ${mark}) & sleep 600`, { timeMs: 200, memoryMb: 1000 }),
      isTold(/took longer than/),
    );
    await t.rejects(failed('kill -SEGV $$'), isTold(/ended by SIGSEGV/));
    await t.rejects(
      failed('echo one >&2; echo "bad model" >&2; exit 3'),
      isTold(/sh failed: it ended with 3: bad model$/),
    );
    await t.rejects(failed('exec cat /dev/zero'), isTold(/writes without end/));
    const greedy = 'const all = []; for (;;) all.push(Buffer.alloc(1e7, 1))';
    await t.rejects(
      runLimited([process.execPath, '-e', greedy], { ...LIMITS, memoryMb: 1500 }),
      isTold(/failed/),
    );
    await t.rejects(runLimited(['/no/such/program'], LIMITS), isTold(/it is not there/));
    const stop = new AbortController();
    const running = failed('sleep 600', { ...LIMITS, signal: stop.signal } as typeof LIMITS);
    stop.abort();
    await t.rejects(running, isTold(/it was stopped/));
    await t.rejects(
      failed('sleep 600', { ...LIMITS, signal: stop.signal } as typeof LIMITS),
      isTold(/it was stopped/),
    );
    t.notOk(existsSync(mark), 'the child of the one that hung');
  },
);

t.test('nothing secret of the environment is told to an engine', async (t) => {
  process.env['GREC_PRIVATE_KEY'] = '/secret/key';
  t.teardown(() => delete process.env['GREC_PRIVATE_KEY']);
  t.notMatch((await runLimited(['env'], LIMITS)).toString(), 'secret');
});

t.test('PocketSphinx hears words, and phrases it is told of', { skip: !hasPocketSphinx() }, async (t) => {
  const folder = t.testdir();
  const source = join(folder, 'call.wav');
  writeFileSync(source, spokenWav());
  const pieces = piecesOf(hearSpeech(source)[1] ?? [], [], 12_400);
  const speech = cutSpeech(source, 1, pieces, join(folder, 'speech.wav'));
  const engine = pocketSphinx({ limitsOf });
  t.match(await engine.open(), { engine: 'pocketsphinx', model: 'en-us', kind: 'phrases' });
  const heard = placePassages(await engine.transcribe(speech), pieces);
  const word = heard.flatMap(({ words }) => words).find(({ text }) => text === 'sunday');
  t.ok(word !== undefined && word.from > 7000 && word.to < 8600, JSON.stringify(word));
  const spotted = placePassages(await engine.spot(speech, ['Ferry', 'booking', 'zyzzyva']), pieces);
  t.same(
    spotted.map(({ text }) => text),
    ['Ferry'],
  );
  t.ok(spotted.every(({ from, to }) => from >= 3200 && to <= 8700));
});
