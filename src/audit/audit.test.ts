// The audit log: several writers make one chain, whatever becomes of them; and any change of it is found.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig } from '../config.ts';
import { silentLogger } from '../log.ts';
import { appendAudit } from './append.ts';
import { auditLog } from './by-daemon.ts';
import { noteConfiguration } from './configuration.ts';
import { readAudit, verifyAudit } from './read.ts';
import { type AuditEntry, type AuditRecord, encodeRecord, parseRecord } from './record.ts';

const BY = { user: 'ann', from: 'desk7, ssh from 192.0.2.7' };
const JANUARY = Date.UTC(2026, 0, 31, 9);
const PLAY: AuditEntry = { what: 'play', recording: '019aa000-0000-7000-8000-00001a2b3c4d' };

const log = (t: Test) => join(t.testdir({}), 'audit');
const at = (time: number) => ({ now: () => time });
const file = (directory: string) => join(directory, '2026-01.jsonl');

async function entries(directory: string): Promise<AuditRecord[]> {
  const all: AuditRecord[] = [];
  for await (const record of readAudit(directory)) all.push(record);
  return all;
}

async function three(t: Test): Promise<string> {
  const directory = log(t);
  for (const what of ['play', 'export', 'list'] as const)
    await appendAudit(directory, BY, [{ ...PLAY, what }], at(JANUARY));
  return directory;
}

const messages = async (directory: string) =>
  (await verifyAudit(directory)).findings.map(({ file, line, message }) => `${file}:${line} ${message}`);

t.test('who, when, what, from where; each entry has the hash of the one before', async (t) => {
  const directory = await three(t);
  const all = await entries(directory);
  t.match(all, [
    { seq: 1, at: '2026-01-31T09:00:00.000Z', ...BY, ...PLAY, previous: null },
    { seq: 2, what: 'export', previous: /^[0-9a-f]{64}$/ },
    { seq: 3 },
  ]);
  t.match(await verifyAudit(directory), { findings: [], entries: 3, torn: 0, head: { seq: 3 } });
  t.equal(statSync(file(directory)).mode & 0o027, 0, 'nobody else reads it');
});

t.test('the chain goes on in the file of the next month, and does not go back with the clock', async (t) => {
  const directory = await three(t);
  await appendAudit(directory, BY, [PLAY, { ...PLAY, what: 'show' }], at(Date.UTC(2026, 1, 1)));
  t.equal(await appendAudit(directory, BY, [PLAY], at(JANUARY)), 6);
  t.same(readdirSync(directory), ['2026-01.jsonl', '2026-02.jsonl', 'lock']);
  t.match(await verifyAudit(directory), { findings: [], entries: 6 });
  rmSync(file(directory));
  t.match(await messages(directory), [/2026-02\.jsonl:1 entries 1 to 3 are missing/]);
});

t.test('one bit flipped anywhere is found; so is a line that is taken out, put in or moved', async (t) => {
  const directory = await three(t);
  const whole = readFileSync(file(directory));
  for (let bit = 0; bit < whole.length * 8; bit += 41) {
    const changed = Buffer.from(whole);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(file(directory), changed);
    // The last line feed alone is no part of an entry: without it the entry counts as being written.
    if (bit >> 3 !== whole.length - 1) t.not((await messages(directory)).length, 0, `bit ${bit}`);
  }
  const lines = whole.toString().split('\n').slice(0, -1);
  const [one = '', two = '', three_ = ''] = lines;
  for (const order of [
    [one, three_],
    [two, three_],
    [one, three_, two],
    [one, two, two, three_],
  ]) {
    writeFileSync(file(directory), `${order.join('\n')}\n`);
    t.not((await messages(directory)).length, 0);
  }
  const { line: forged } = encodeRecord({
    seq: 2,
    at: '2026-01-31T09:00:00.000Z',
    ...BY,
    what: 'list',
    previous: null,
  });
  writeFileSync(file(directory), `${[one, forged, three_].join('\n')}\n`);
  t.match(await messages(directory), [/:2 it does not follow/, /:3 it does not follow/]);
});

t.test('an end that was cut off is seen by who knows what it was', async (t) => {
  const directory = await three(t);
  const { head } = await verifyAudit(directory);
  if (head === undefined) throw new Error('no head');
  t.same((await verifyAudit(directory, head)).findings, []);
  const [one = '', two = ''] = readFileSync(file(directory), 'utf8').split('\n');
  writeFileSync(file(directory), `${one}\n${two}\n`);
  t.same((await verifyAudit(directory)).findings, []);
  t.match((await verifyAudit(directory, head)).findings, [{ message: /cut off/ }]);
});

t.test(
  'what a kill left in the middle of a line is told by the next entry, and cannot go unseen',
  async (t) => {
    for (const cut of [1, 50, -1]) {
      const directory = await three(t);
      const whole = readFileSync(file(directory));
      const second = whole.indexOf(0x0a, whole.indexOf(0x0a) + 1) + 1;
      truncateSync(file(directory), cut > 0 ? second + cut : whole.length + cut);
      t.same((await verifyAudit(directory)).findings, [], 'it may be being written');
      t.equal(await appendAudit(directory, BY, [PLAY], at(Date.UTC(2026, 1, 2))), 3, 'it did nothing');
      t.match(await verifyAudit(directory), { findings: [], entries: 3, torn: 1, head: { seq: 3 } });
      const [, , torn = '', after = ''] = readFileSync(file(directory), 'utf8').split('\n');
      t.match(JSON.parse(after), { torn: { bytes: torn.length } });
      const lines = readFileSync(file(directory), 'utf8').replace(`${torn}\n`, '');
      writeFileSync(file(directory), lines);
      t.match(await messages(directory), [/what was left of a line before it is gone/]);
    }
  },
);

t.test('a damaged line does not stop the log, and stays found', async (t) => {
  const directory = await three(t);
  appendFileSync(file(directory), 'no entry\n');
  t.equal(await appendAudit(directory, BY, [PLAY], at(JANUARY)), 5);
  t.match(await messages(directory), [/:4 it is damaged/, /:5 it has number 5, after number 3/]);
});

/** A process that appends until it is killed; it says the number of each entry when it is on the disk. */
function writer(t: Test, directory: string, name: string): ChildProcess {
  const code = `
    import { appendAudit } from ${JSON.stringify(join(import.meta.dirname, 'append.ts'))};
    for (let n = 1; ; n += 1) {
      const seq = await appendAudit(${JSON.stringify(directory)}, { user: ${JSON.stringify(name)}, from: 'x'.repeat(250) }, [{ what: 'list', details: { n } }]);
      process.stdout.write(seq + '\\n');
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

t.test('several processes make one chain, and kill -9 of them takes nothing that was noted', async (t) => {
  const directory = log(t);
  const told: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const children = ['ann', 'bob', 'cid'].map((name) => writer(t, directory, name));
    await Promise.all(
      children.map(async (child, index) => {
        let own = 0;
        for await (const piece of child.stdout ?? []) {
          const numbers = String(piece).trim().split('\n').map(Number);
          told.push(...numbers);
          own += numbers.length;
          if (own >= 3 + index * 4) child.kill('SIGKILL');
        }
        if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
      }),
    );
  }
  const report = await verifyAudit(directory);
  t.same(report.findings, []);
  const known = new Set((await entries(directory)).map(({ seq }) => seq));
  t.same(
    told.filter((seq) => !known.has(seq)),
    [],
  );
  t.equal(new Set(told).size, told.length, 'no number twice');
});

t.test('a disk that takes half a line: the entry is refused, and nothing of it stays', async (t) => {
  const directory = log(t);
  const code = `
    import { appendAudit } from ${JSON.stringify(join(import.meta.dirname, 'append.ts'))};
    try {
      for (let n = 1; ; n += 1)
        await appendAudit(${JSON.stringify(directory)}, ${JSON.stringify(BY)}, [{ what: 'list', details: { n } }]);
    } catch (error) {
      console.log(error.code, error.message);
    }`;
  // Files may have 2 kB: the line in which this is reached is written in part.
  const argv = [
    '-c',
    'trap "" XFSZ; ulimit -f 2; exec "$0" "$@"',
    process.execPath,
    '--input-type=module',
    '-e',
    code,
  ];
  const child = spawn('bash', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  for await (const piece of child.stdout) said += String(piece);
  t.match(said, /^AUDIT_UNWRITABLE cannot write the audit log .*EFBIG/);
  const report = await verifyAudit(directory);
  t.match(report, { findings: [], torn: 0 });
  t.ok(report.entries > 3, `${report.entries} entries`);
  t.equal(await appendAudit(directory, BY, [PLAY]), report.entries + 1, 'it goes on where there is space');
  t.match(await verifyAudit(directory), { findings: [], torn: 0 });
});

t.test(
  'what cannot be noted is refused: a link, a directory that is none, a lock that is held',
  async (t) => {
    const directory = await three(t);
    const before = readFileSync(file(directory), 'utf8');
    rmSync(file(directory));
    symlinkSync('/dev/full', file(directory));
    await t.rejects(appendAudit(directory, BY, [PLAY], at(JANUARY)), { code: 'AUDIT_UNWRITABLE' });
    rmSync(file(directory));
    writeFileSync(file(directory), before);
    const lock = join(directory, 'lock');
    const { underLock } = await import('./lock.ts');
    await underLock(lock, 100, async () => {
      const patience = { ...at(JANUARY), patienceMs: 30 };
      await t.rejects(appendAudit(directory, BY, [PLAY], patience), {
        code: 'AUDIT_UNWRITABLE',
        message: /another process has held it/,
        hint: /what cannot be noted is not done/,
      });
    });
    rmSync(directory, { recursive: true });
    writeFileSync(directory, '');
    await t.rejects(appendAudit(directory, BY, [PLAY]), { code: 'AUDIT_UNWRITABLE' });
  },
);

t.test('long and odd values are bounded, and one line', async (t) => {
  const directory = log(t);
  const details = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`k${index}`, 'ü\n\u2028'.repeat(5000)]),
  );
  await appendAudit(
    directory,
    BY,
    [
      { what: 'label', details },
      { what: 'label', details: { text: 'a\nb' } },
    ],
    at(JANUARY),
  );
  t.match(await verifyAudit(directory), { findings: [], entries: 2 });
  t.match(await entries(directory), [{ details: { cut: true } }, { details: { text: 'a\nb' } }]);
});

t.test('a hostile log is found and takes no memory', async (t) => {
  const directory = log(t);
  t.same(await verifyAudit(directory), { findings: [], entries: 0, torn: 0, head: undefined });
  mkdirSync(directory);
  writeFileSync(file(directory), Buffer.alloc(1 << 20));
  await t.rejects(verifyAudit(directory), { code: 'AUDIT_UNREADABLE', message: /line 1 has no end/ });
  writeFileSync(file(directory), '{}\n[]\n\n');
  t.equal((await messages(directory)).length, 3);
  t.match(parseRecord(Buffer.from('{"hash":1}')), { problem: 'it is damaged' });
});

t.test('which configuration is in force, by its hash; that it cannot be noted is only logged', async (t) => {
  const directory = log(t);
  const config = join(directory, '..', 'grec.toml');
  writeFileSync(config, 'abc');
  const { paths } = loadConfig({ env: {}, uid: 1 });
  const site = { file: config, paths: { ...paths, strategy: join(directory, '..', 'none.toml') } };
  const audit = { note: auditLog(directory), log: silentLogger(), daemon: 'grec-procd' };
  await noteConfiguration(audit, site, 'start');
  const fileSha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  t.match(await entries(directory), [
    { user: /^grec-procd/, what: 'configuration', details: { why: 'start', file: config, fileSha256 } },
  ]);
  rmSync(directory, { recursive: true });
  writeFileSync(directory, '');
  await noteConfiguration(audit, site, 'reload');
});
