// `grec ls`: the table, its filters, JSON.
import t from 'tap';
import {
  emptyState,
  FAILED_ID,
  FIRST_ID,
  grec,
  SECOND_ID,
  START,
  stateWithRecordings,
} from './fixtures/state.ts';

process.env.TZ = 'UTC';

t.test('the table: newest first, short ids, local times', async (t) => {
  const { code, out, err } = await grec(stateWithRecordings(t), ['ls']);
  t.equal(code, 0);
  t.equal(err, '');
  t.equal(
    out,
    [
      'ID        START                LENGTH  CALL         DN    STATE',
      'deadfa11  2026-01-31 11:05:07    0:00  7002 → 7001  7001  failed: no media server',
      'feedbeef  2026-01-31 10:05:07    0:02  7002 → 7003  7001  partial: media stopped early',
      '1a2b3c4d  2026-01-31 09:05:07    0:02  7002 → 7001  7001  complete',
      '',
    ].join('\n'),
  );
});

t.test('filters', async (t) => {
  const state = stateWithRecordings(t);
  const ids = async (...argv: string[]) => {
    const { out } = await grec(state, ['ls', '--json', ...argv]);
    return (JSON.parse(out) as { id: string }[]).map(({ id }) => id);
  };
  t.same(await ids('--number', '7003'), [SECOND_ID]);
  t.same(await ids('--state', 'failed'), [FAILED_ID]);
  t.same(await ids('--since', '2026-01-31T10:00', '--until', '2026-01-31T11:00'), [SECOND_ID]);
  t.same(await ids('--limit', '1'), [FAILED_ID]);
  t.same(await ids('--until', '2026-01-31'), []);
});

t.test('JSON is one array with times in ISO 8601', async (t) => {
  const { out } = await grec(stateWithRecordings(t), ['ls', '--json', '--state', 'complete']);
  t.match(JSON.parse(out), [
    { id: FIRST_ID, startTime: new Date(START).toISOString(), duration: 2000, caller: '7002' },
  ]);
});

t.test('a cut list says so, on standard error', async (t) => {
  const { out, err } = await grec(stateWithRecordings(t), ['ls', '--limit', '2']);
  t.equal(out.trimEnd().split('\n').length, 3);
  t.match(err, 'the newest 2 are shown');
});

t.test('an empty result is no error', async (t) => {
  const { code, out, err } = await grec(stateWithRecordings(t), ['ls', '--number', '1']);
  t.strictSame({ code, out, err }, { code: 0, out: '', err: 'no recordings found\n' });
});

t.test('mistakes', async (t) => {
  const state = stateWithRecordings(t);
  for (const argv of [
    ['--since', 'tomorrowish'],
    ['--since', 'now', '--until', '2h'],
    ['--limit', '0'],
    ['--limit', 'x'],
    ['--state', 'lost'],
    ['--colour'],
    ['surplus'],
  ]) {
    const { code, out, err } = await grec(state, ['ls', ...argv]);
    t.strictSame({ code, out }, { code: 2, out: '' }, argv.join(' '));
    t.match(err, /^grec: .+/, argv.join(' '));
  }
  const none = await grec(emptyState(t), ['ls']);
  t.equal(none.code, 1);
  t.match(none.err, 'there is no catalog');
});
