// `grec audit`: every access and every change is in the log before it is done, and the log can be proved.
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { askDaemon, socketOf } from '../control.ts';
import { GrecError } from '../errors.ts';
import { note } from './audited.ts';
import { CliContext } from './context.ts';
import { stateWithLifeCycle } from './fixtures/life-cycle.ts';
import { emptyState, FIRST_ID, grec, type State, stateWithOneRecording } from './fixtures/state.ts';

process.env.TZ = 'UTC';
const SHORT = FIRST_ID.slice(-8);
const { username: user } = userInfo();

const audit = async (state: State, ...more: string[]) =>
  JSON.parse((await grec(state, ['audit', '--json', ...more])).out);
const contextOf = ({ configFile }: State) =>
  new CliContext({ daemonsDirectory: '/' }, { config: configFile, json: false, color: false });
const logOf = ({ directory }: State) => join(directory, 'state', 'audit');

t.test('list, show, play, export, hold, label, delete: who, when, what, from where', async (t) => {
  const state = await stateWithLifeCycle(t, '[[retention]]\nname = "default"\ndelete = "30d"\n');
  const target = join(state.directory, 'out.wav');
  await grec(state, ['ls', '--since', '2026-01-01']);
  await grec(state, ['show', SHORT]);
  await grec(state, ['play', SHORT, '--left', '--stdout']);
  await grec(state, ['export', SHORT, '-o', target]);
  await grec(state, ['hold', SHORT, '--reason', 'case 12']);
  await grec(state, ['hold', SHORT, '--reason', 'case 13']);
  await grec(state, ['label', SHORT, 'sales', '--comment', 'Mr Smith']);
  await grec(state, ['unhold', SHORT, '--reason', 'settled']);
  await grec(state, ['purge', '--dry-run']);
  await grec(state, ['purge']);
  const entries = await audit(state);
  const on = { user, from: /./, recording: FIRST_ID };
  t.match(entries, [
    { seq: 1, what: 'list', user, details: { since: '2026-01-01', found: 1 } },
    { ...on, what: 'show' },
    { ...on, what: 'play', details: { left: true, stdout: true } },
    { ...on, what: 'export', details: { format: 'wav', output: target } },
    { ...on, what: 'hold', details: { reason: 'case 12' } },
    { ...on, what: 'hold', details: { reason: 'case 13' } },
    { ...on, what: 'refused', details: { entry: 6, reason: 'HOLD_EXISTS' } },
    { ...on, what: 'label', details: { add: 'sales', comment: true } },
    { ...on, what: 'unhold', details: { reason: 'settled' } },
    { ...on, what: 'delete', details: { rule: 'default: delete = 30d' } },
  ]);
  t.equal(entries.length, 10);
  t.match((await grec(state, ['audit', '--what', 'hold'])).out, /WHAT.*\n.*hold.*1a2b3c4d.*reason=case 12\n/);
  t.equal((await audit(state, '--recording', SHORT, '--user', user)).length, 9);
  t.same(await audit(state, '--user', 'nobody'), []);
  t.same(await audit(state, '--until', '2026-01-01'), []);
  t.equal((await audit(state, '--since', '1h')).length, 10);
  const { out, err } = await grec(state, ['audit', '--limit', '2']);
  t.equal(out.split('\n').length, 4);
  t.match(err, 'the newest 2 of 10 are shown');
});

t.test('--verify proves it, and says what is wrong', async (t) => {
  const state = stateWithOneRecording(t);
  t.match((await grec(state, ['audit', '--verify'])).out, '0 entries: none was changed');
  for (let count = 0; count < 3; count += 1) await grec(state, ['show', SHORT]);
  const { code, out } = await grec(state, ['audit', '--verify']);
  t.match([code, out], [0, /3 entries: none was changed.*\nend of the log: 3:[0-9a-f]{64}\n/]);
  const end = out.match(/3:[0-9a-f]{64}/)?.[0] ?? '';
  t.equal((await grec(state, ['audit', '--verify', '--expect', end])).code, 0);
  const file = join(logOf(state), `${new Date().toISOString().slice(0, 7)}.jsonl`);
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('"show"', '"list"'));
  const wrong = await grec(state, ['audit', '--verify', '--json']);
  t.equal(wrong.code, 1);
  t.match(JSON.parse(wrong.out), { ok: false, findings: [{ line: 1, message: /changed/ }] });
  writeFileSync(file, text.split('\n').slice(0, 2).join('\n').concat('\n'));
  t.match(
    (await grec(state, ['audit', '--verify', '--expect', end])).out,
    /entry 3, which was expected, is not there/,
  );
  for (const argv of [
    ['--expect', end],
    ['--verify', '--expect', 'x'],
    ['--what', 'x'],
    ['--limit', '0'],
    ['--since', 'x'],
  ])
    t.equal((await grec(state, ['audit', ...argv])).code, 2, argv.join(' '));
});

t.test('what cannot be noted is not done, and the command says so', async (t) => {
  const state = stateWithOneRecording(t);
  writeFileSync(logOf(state), 'in the way');
  const target = join(state.directory, 'out.wav');
  for (const argv of [
    ['ls'],
    ['show', SHORT],
    ['play', SHORT, '--stdout'],
    ['export', SHORT, '-o', target],
    ['key', 'new'],
  ]) {
    const { code, out, err } = await grec(state, argv);
    t.match(
      [code, out, err],
      [1, '', /cannot write the audit log.*\n.*what cannot be noted is not done/],
      argv[0] ?? '',
    );
  }
  t.notOk(existsSync(target));
  t.notOk(existsSync(join(state.directory, 'state', 'signing-key.pem')));
});

t.test('for those who may not write into the log grec-procd does it, when it runs', async (t) => {
  const state = await stateWithLifeCycle(t);
  const context = contextOf(state);
  const refuse = async () => {
    const cause = Object.assign(new Error('permission denied'), { code: 'EACCES' });
    throw new GrecError('AUDIT_UNWRITABLE', 'cannot write the audit log', { cause });
  };
  await note(context, { what: 'play', recording: FIRST_ID, details: { left: true } }, refuse);
  t.match(await audit(state), [{ seq: 1, user, what: 'play', recording: FIRST_ID, details: { left: true } }]);
  const alone = contextOf(stateWithOneRecording(t));
  await t.rejects(note(alone, { what: 'play' }, refuse), { code: 'AUDIT_UNWRITABLE' });
  const socket = socketOf(context.config, 'grec-procd');
  for (const body of [
    undefined,
    {},
    { what: 'delete' },
    { what: 'play', details: { x: [] } },
    { what: 'play', seq: 1 },
  ])
    await t.rejects(askDaemon('grec-procd', socket, 'POST', '/audit', body), { code: 'USAGE' });
});

t.test('a log that is damaged is shown as far as it goes', async (t) => {
  const state = stateWithOneRecording(t);
  await grec(state, ['ls']);
  const file = join(logOf(state), `${new Date().toISOString().slice(0, 7)}.jsonl`);
  appendFileSync(file, '\u0000{"x":\n');
  t.equal((await audit(state)).length, 1);
  rmSync(logOf(state), { recursive: true });
  t.match((await grec(emptyState(t), ['audit'])).err, 'no entries found');
});
