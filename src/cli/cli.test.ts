// The command line as a whole: help, usage errors, their form and their status.
import t from 'tap';
import { VERSION } from '../version.ts';
import { emptyState, grec } from './fixtures/state.ts';

t.test('help and version are no errors', async (t) => {
  const state = emptyState(t);
  for (const argv of [
    ['--help'],
    ['-h'],
    ['help'],
    ['help', 'ls'],
    ['ls', '--help'],
    ['dn', 'add', '--help'],
  ]) {
    const { code, out, err } = await grec(state, argv);
    t.strictSame([code, err], [0, ''], argv.join(' '));
    t.match(out, /^Usage: grec/);
  }
  t.strictSame((await grec(state, ['--version'])).out, `grec ${VERSION}\n`);
  t.match((await grec(state, ['version'])).out, `grec ${VERSION}\nnode ${process.versions.node}\n`);
  t.match(JSON.parse((await grec(state, ['version', '--json'])).out), {
    grec: VERSION,
    node: process.versions.node,
  });
});

t.test('every command of the help has a page of its own', async (t) => {
  const state = emptyState(t);
  const { out } = await grec(state, ['--help']);
  const names = [...out.matchAll(/^ {2}([a-z]+) /gm)]
    .map(([, name]) => name)
    .filter((name) => name !== 'help');
  t.strictSame(names, [
    'demo',
    'up',
    'status',
    'alarms',
    'dn',
    'agent',
    'trunk',
    'strategy',
    'calls',
    'start',
    'pause',
    'resume',
    'stop',
    'listen',
    'events',
    'ls',
    'show',
    'why',
    'reconcile',
    'play',
    'export',
    'import',
    'capture',
    'find',
    'report',
    'transcript',
    'index',
    'hold',
    'unhold',
    'label',
    'purge',
    'storage',
    'failed',
    'retry',
    'audit',
    'verify',
    'reindex',
    'key',
    'user',
    'token',
    'config',
    'version',
  ]);
  for (const name of names) t.match((await grec(state, [String(name), '--help'])).out, `Usage: grec ${name}`);
});

t.test('usage errors: status 2, the nearest word, where to look', async (t) => {
  const state = emptyState(t);
  const said = async (...argv: string[]) => {
    const { code, out, err } = await grec(state, argv);
    t.strictSame([code, out], [2, ''], argv.join(' '));
    return err;
  };
  t.match(
    await said('statsu'),
    /^grec: unknown command 'statsu'\n {2}\(Did you mean status\?\) see `grec --help`/,
  );
  t.match(await said('ls', '--limitt', '3'), /unknown option '--limitt'\n {2}\(Did you mean --limit\?\)/);
  t.match(await said('show'), /missing required argument 'id'/);
  t.match(await said('dn', 'ad', '7001'), /unknown command 'ad'/);
  t.match(await said('dn'), /grec: a command is missing/);
  t.match(await said(), /Usage: grec[\s\S]*grec: a command is missing/);
  t.match(await said('status', '--config'), /argument missing/);
});

t.test('with --json an error is one JSON object on standard error', async (t) => {
  const state = emptyState(t);
  for (const [argv, code, expected] of [
    [['ls', '--limitt', '--json'], 2, { code: 'USAGE', message: "unknown option '--limitt'" }],
    [['dn', 'list', '--json'], 4, { code: 'DAEMON_NOT_RUNNING', hint: /grec --config .* up`/ }],
    [['show', 'ffff', '--json'], 1, { code: 'CATALOG_UNUSABLE' }],
  ] as const) {
    const result = await grec(state, [...argv]);
    t.strictSame([result.code, result.out], [code, '']);
    t.match(JSON.parse(result.err), { error: expected });
  }
});
