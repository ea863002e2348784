// Logs: no secret in a line, lines of one turn together, and all of them when the process exits.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { createLogger } from './log.ts';
import { gathered } from './log-output.ts';

function lines() {
  const written: string[] = [];
  const destination = { write: (line: string) => void written.push(line) };
  return { written, log: createLogger({ name: 'test', level: 'info', readable: false, destination }) };
}

t.test('rule 10: secrets are masked wherever they stand', async (t) => {
  const { written, log } = lines();
  const error = Object.assign(new Error('refused'), { token: 'hidden' });
  log.info({ password: 'hidden', dn: '7001' }, 'one');
  log.info({ dn: { number: '7001', ha1: 'hidden' } }, 'two');
  log.info({ request: { headers: { authorization: 'hidden' } } }, 'three');
  log.info({ list: [{ secret: 'hidden' }] }, 'four');
  log.error({ err: error }, 'five');
  log.error(error, 'six');
  log.child({ token: 'hidden', call: 'c' }).info('seven');
  log.info({ send: { suite: 'AEAD_AES_128_GCM', master: 'hidden' } }, 'eight');
  t.equal(written.length, 8);
  t.notMatch(written.join(''), 'hidden');
  for (const line of written) t.match(line, '[secret]');
  t.match(JSON.parse(written[4] ?? ''), {
    level: 'error',
    err: { message: 'refused', type: 'Error' },
    msg: 'five',
  });
  t.match(JSON.parse(written[6] ?? ''), { call: 'c', msg: 'seven' });
});

t.test('a line without secrets is as it was', async (t) => {
  const { written, log } = lines();
  const error = new Error('refused');
  log.warn({ call: 'c', n: 1, bytes: Buffer.from('password'), err: error }, 'text');
  t.match(JSON.parse(written[0] ?? ''), { call: 'c', n: 1, err: { message: 'refused' }, msg: 'text' });
});

t.test('what is logged together is written together', async (t) => {
  const written: string[] = [];
  const output = gathered((text) => void written.push(text));
  output.write('one\n');
  output.write('two\n');
  t.same(written, []);
  const writes = async (count: number) => {
    while (written.length < count) await new Promise((resolve) => setImmediate(resolve));
    return written;
  };
  t.same(await writes(1), ['one\ntwo\n']);
  output.write('three\n');
  output.flush();
  output.write('four\n');
  t.same(await writes(3), ['one\ntwo\n', 'three\n', 'four\n']);
});

t.test('a process that exits, or ends by a mistake, leaves all its lines', async (t) => {
  const module = JSON.stringify(new URL('./log.ts', import.meta.url).href);
  const start = `const { createLogger } = await import(${module});
    const log = createLogger({ name: 'test', level: 'info', readable: false });
    log.info('the last line');`;
  for (const end of ['process.exit(3)', 'throw new Error("mistake")', '']) {
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', `${start}\n${end}`]);
    t.match(stderr.toString(), 'the last line', end);
  }
});

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
