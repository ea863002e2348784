// Timers of one duration share one of the system: in order, revocable, and none is lost when one of them fails.
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { runAfter, type Timer } from './timer-queue.ts';

const program = (code: string) => {
  const module = JSON.stringify(new URL('./timer-queue.ts', import.meta.url).href);
  const source = `const { runAfter } = await import(${module});\n${code}`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    timeout: 20_000,
  });
  return { status, stdout: stdout.toString() };
};

t.test('each runs once, after its time, in order', async (t) => {
  const begun = performance.now();
  const ran: string[] = [];
  const at = (name: string) => void ran.push(name);
  runAfter(30, () => at('a'));
  runAfter(10, () => at('b'));
  const timer = runAfter(30, () => at('never'));
  runAfter(30, () => {
    at('c');
    // One that begins while others end has its whole time.
    runAfter(30, () => at('d'));
  });
  timer.revoke();
  timer.revoke();
  await new Promise<void>((resolve) => {
    const look = () => (ran.length === 4 ? resolve() : void runAfter(5, look));
    look();
  });
  t.same(ran, ['b', 'a', 'c', 'd']);
  t.ok(performance.now() - begun >= 58, 'no sooner');
});

t.test('one that is revoked by another one, or after it ran, does no harm', async (t) => {
  const ran: string[] = [];
  const timers: Timer[] = [];
  await new Promise<void>((resolve) => {
    timers.push(
      runAfter(5, () => {
        ran.push('first');
        for (const timer of timers) timer.revoke();
        runAfter(5, resolve);
      }),
    );
    timers.push(runAfter(5, () => void ran.push('second')));
    runAfter(5, () => void ran.push('third'));
  });
  t.same(ran, ['first', 'third']);
});

t.test('a process lives as long as a timer is to end, and no longer', async (t) => {
  t.same(program(`runAfter(50, () => console.log('ended'));`), { status: 0, stdout: 'ended\n' });
  // One that lived for a minute would be ended by the time limit of `program`, without a status.
  t.equal(program(`runAfter(60_000, () => {}).revoke();`).status, 0);
  t.equal(
    program(`runAfter(60_000, () => {}).revoke(); runAfter(20, () => console.log('x'));`).stdout,
    'x\n',
  );
  t.equal(
    program(`const timer = runAfter(100, () => {}); timer.revoke(); runAfter(100, () => console.log('y'));`)
      .stdout,
    'y\n',
  );
});

t.test('after one that throws, the others run all the same', async (t) => {
  const { stdout } = program(`process.on('uncaughtException', ({ message }) => console.log(message));
    runAfter(5, () => { throw new Error('one'); });
    runAfter(5, () => console.log('two'));`);
  t.equal(stdout, 'one\ntwo\n');
});
