// Looks of the processor: one at a time, again when asked, and recordings are made between long ones.
import t from 'tap';
import { silentLogger } from '../log.ts';
import { Rounds } from './rounds.ts';

const log = silentLogger();

t.test('who asks while a look goes on gets another one, and only one', async (t) => {
  let [looks, running] = [0, 0];
  const look = async () => {
    running += 1;
    t.equal(running, 1, 'one at a time');
    looks += 1;
    if (looks === 1) for (let asked = 0; asked < 5; asked += 1) void rounds.round();
    await Promise.resolve();
    running -= 1;
  };
  const rounds = new Rounds({ log, look, isBusy: () => false, pollMs: 1000 });
  await rounds.round();
  t.equal(looks, 2);
});

t.test('however often it is asked, most of the time is for the recordings while some are made', async (t) => {
  const LOOK_MS = 20;
  let [looks, looking] = [0, 0];
  const look = async () => {
    const start = performance.now();
    while (performance.now() - start < LOOK_MS);
    looks += 1;
    looking += performance.now() - start;
    if (looks < 4) void rounds.round();
  };
  const rounds = new Rounds({ log, look, isBusy: () => true, pollMs: 1000 });
  const start = performance.now();
  await rounds.round();
  t.equal(looks, 4);
  t.ok(performance.now() - start >= looking * 4, 'four times as long as it looked');
});

t.test('a look that fails is told once, and forgotten when one succeeds', async (t) => {
  const told: string[] = [];
  const problems = ['no disk', 'no disk', 'no file', undefined];
  const look = async () => {
    const problem = problems.shift();
    if (problem !== undefined) throw new Error(problem);
  };
  const counting = Object.assign(silentLogger(), { error: (message: string) => told.push(message) });
  const rounds = new Rounds({ log: counting, look, isBusy: () => false, pollMs: 1000 });
  for (let index = 0; index < 3; index += 1) await rounds.round();
  t.match(told, [/no disk$/, /no file$/]);
  t.equal(told.length, 2);
  t.equal(rounds.problem, 'no file');
  await rounds.round();
  t.equal(rounds.problem, undefined);
});

t.test('after the end nobody looks', async (t) => {
  let looks = 0;
  const look = async () => {
    looks += 1;
  };
  const rounds = new Rounds({ log, look, isBusy: () => false, pollMs: 1000 });
  await rounds.stop();
  await rounds.round();
  t.equal(looks, 0);
});
