// `grec capture`: an encrypted capture comes out as the pcap that it was; without the key nothing does.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readAudit } from '../audit/read.ts';
import { captureOf, talk } from '../processing/fixtures/segments.ts';
import { keystreamAt, SpoolKeys } from '../spool/sealed-capture.ts';
import { emptyState, grec } from './fixtures/state.ts';

const KEY = Buffer.alloc(32, 4);
const CLEAR = captureOf([...talk({ label: 'a', packets: 2000 })]);

function prepare(t: Test, toml = '[encryption]\nspool-key = "spool.key"\n') {
  const state = emptyState(t);
  writeFileSync(state.configFile, `state.directory = "state"\n${toml}`);
  writeFileSync(join(state.directory, 'spool.key'), `${KEY.toString('hex')}\n`, { mode: 0o600 });
  const segment = join(state.directory, 'state', 'spool', 'failed', 'seg-1');
  mkdirSync(segment, { recursive: true });
  const { header, key } = new SpoolKeys([KEY]).seal();
  const sealed = Buffer.concat([header, keystreamAt(key, 24).update(CLEAR.subarray(24))]);
  writeFileSync(join(segment, 'capture.pcap'), sealed);
  return { state, segment, output: join(state.directory, 'out.pcap') };
}

t.test('into a file, for its owner alone, or a pipe; noted before', async (t) => {
  const { state, segment, output } = prepare(t);
  t.match(await grec(state, ['capture', segment, '-o', output]), { code: 0, out: '', err: '' });
  t.same(readFileSync(output), CLEAR);
  t.equal(statSync(output).mode & 0o777, 0o600);
  t.match(await grec(state, ['capture', segment, '-o', output]), { code: 5, err: /exists already/ });
  t.equal((await grec(state, ['capture', segment, '-o', output, '--force'])).code, 0);
  t.same((await grec(state, ['capture', join(segment, 'capture.pcap'), '-o', '-'])).bytes, CLEAR);
  const noted: string[] = [];
  for await (const { what, details } of readAudit(join(state.directory, 'state', 'audit')))
    noted.push(`${what} ${details?.['output']}`);
  t.same(noted.at(-1), 'capture -');
  t.equal(noted.length, 4);
});

t.test('one in the clear comes out as it is', async (t) => {
  const { state, segment, output } = prepare(t, '');
  writeFileSync(join(segment, 'capture.pcap'), CLEAR);
  t.equal((await grec(state, ['capture', segment, '-o', output])).code, 0);
  t.same(readFileSync(output), CLEAR);
});

t.test('without the key, or a capture, nothing is written', async (t) => {
  const { state, segment, output } = prepare(t, '');
  t.match(await grec(state, ['capture', segment, '-o', output]), { code: 1, err: /encrypted with the key/ });
  t.match(await grec(state, ['capture', join(segment, 'none'), '-o', output]), {
    code: 1,
    err: /cannot read/,
  });
  t.match(await grec(state, ['capture', segment, '-o', '-'], { tty: true }), { code: 2, err: /pipe/ });
  t.notOk(existsSync(output));
  const wrong = prepare(t);
  writeFileSync(join(wrong.state.directory, 'spool.key'), 'abc\n');
  t.match(await grec(wrong.state, ['capture', wrong.segment, '-o', wrong.output]), {
    code: 1,
    err: /spool key/,
  });
  writeFileSync(wrong.state.configFile, '[encryption]\nspool-key = 7\n');
  t.match(await grec(wrong.state, ['config', 'check']), { code: 78, err: /spool-key: expected the path/ });
  writeFileSync(wrong.state.configFile, '[encryption]\nspool-key = "spool.key"\n');
  t.match(await grec(wrong.state, ['config', 'check']), { code: 1, err: /line 1 is no key/ });
});
