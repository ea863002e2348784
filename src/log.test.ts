// The log of a daemon: nobody who reads it slowly, or not at all, holds the daemon up; its last lines are not lost.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import t from 'tap';

const LOG = new URL('./log.ts', import.meta.url).href;

function run(body: string) {
  const program = `const { createLogger } = await import('${LOG}'); const log = createLogger({ name: 'x', level: 'info', readable: false }); ${body}`;
  return spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

t.test('a log that nobody reads', async (t) => {
  const child = run(`
    for (let count = 0; count < 5000; count++) log.info('x'.repeat(1000));
    setTimeout(() => console.log('done'), 50);
    setTimeout(() => process.exit(), 1e6);`);
  t.teardown(() => child.kill('SIGKILL'));
  t.match(String(await once(child.stdout, 'data')), 'done');
});

t.test('the last lines of a process that ends at once', async (t) => {
  const child = run("for (let count = 0; count < 100; count++) log.info('line ' + count); process.exit(3);");
  const [all, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  t.equal(code, 3);
  t.equal(all.trim().split('\n').length, 100);
  t.match(all, /line 99/);
});
