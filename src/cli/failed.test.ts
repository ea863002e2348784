// `grec failed` and `grec retry`: what could not be done is shown with what can be done about it, and tried again.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig, socketOf } from '../config.ts';
import { serveControl } from '../control.ts';
import { GrecError } from '../errors.ts';
import { type Failure, type FailureSource, Failures, type Retried } from '../processing/failures.ts';
import { emptyState, FAILED_ID, grec, SECOND_ID, stateWithRecordings } from './fixtures/state.ts';

process.env.TZ = 'UTC';
const AT = '2026-01-31T11:05:07.250Z';

const LOST: Failure = {
  kind: 'recording',
  id: FAILED_ID,
  at: AT,
  reason: 'no decoder for G722: ffmpeg is not installed \u001b[31m',
  isRetryable: true,
  details: {
    state: 'failed',
    caller: '7002',
    callee: '7001',
    calls: ['call-1'],
    captures: ['/spool/failed/seg-1'],
  },
};
const HOPELESS: Failure = {
  ...LOST,
  id: SECOND_ID,
  at: '2026-01-30T11:05:07.250Z',
  isRetryable: false,
  advice: 'nothing was captured of it',
  details: { state: 'partial' },
};

/** A processor that has these failures, of recordings and of another kind. */
async function stateWithFailures(t: Test, recordings: Failure[], others: Failure[] = []) {
  const state = emptyState(t);
  const retried: string[] = [];
  const sourceOf = (kind: string, list: Failure[]): FailureSource => ({
    kind,
    list: () => list,
    retry: async (id): Promise<Retried> => {
      retried.push(`${kind} ${id}`);
      if (id === SECOND_ID) throw new GrecError('RECORDING_STATE', 'it cannot be made again');
      const isDone = kind !== 'recording' || retried.length > 1;
      return {
        kind,
        id,
        isDone,
        state: isDone ? 'complete' : 'failed',
        reason: isDone ? null : 'no decoder',
      };
    },
  });
  const sources = [sourceOf('recording', recordings), sourceOf('upload', others)];
  const failures = new Failures({ sources, note: async () => 1 });
  const server = await serveControl(
    socketOf(loadConfig({ file: state.configFile }), 'grec-procd'),
    failures.routes,
  );
  t.teardown(() => server.close());
  return { state, retried };
}

t.test('failed: the last one first, with its call, the reason, its captures and what to do', async (t) => {
  const { state } = await stateWithFailures(t, [HOPELESS, LOST]);
  const { code, out } = await grec(state, ['failed']);
  t.equal(code, 0);
  const [first = '', second = ''] = out.split(/(?=^0000|^deadfa11|^feedbeef)/m);
  t.match(first, /^deadfa11 {2}recording {2}2026-01-31 11:05:07 {2}7002 to 7001\n/);
  t.match(first, /no decoder for G722: ffmpeg is not installed \ufffd/, 'nothing drives the terminal');
  t.match(
    first,
    /call {6}call-1\n.*captures {2}\/spool\/failed\/seg-1\n.*retry {5}may help: .*retry deadfa11/,
  );
  t.match(second, /^feedbeef {2}recording \(partial\).*retry {5}cannot help: nothing was captured of it/s);
  const json = JSON.parse((await grec(state, ['failed', '--json'])).out);
  t.match(json, [LOST, HOPELESS]);
  const none = await stateWithFailures(t, []);
  t.match(await grec(none.state, ['failed']), { code: 0, out: '', err: 'nothing has failed\n' });
  t.match(await grec(none.state, ['failed', '--json']), { code: 0, out: '[]\n' });
});

t.test('retry: by a part of the id; the reason is shown when it fails again', async (t) => {
  const { state, retried } = await stateWithFailures(t, [LOST, HOPELESS]);
  t.match(await grec(state, ['retry', 'deadfa11']), { code: 1, out: 'deadfa11  failed again: no decoder\n' });
  t.match(await grec(state, ['retry', FAILED_ID]), { code: 0, out: 'deadfa11  complete\n' });
  const both = await grec(state, ['retry', 'feedbeef', 'deadfa11', '--json']);
  t.equal(both.code, 1, 'one that is refused does not keep the others');
  t.match(JSON.parse(both.out), [
    { id: SECOND_ID, isDone: false, state: 'refused', reason: 'it cannot be made again' },
    { id: FAILED_ID, isDone: true },
  ]);
  t.same(retried.slice(-2), [`recording ${SECOND_ID}`, `recording ${FAILED_ID}`]);
});

t.test('retry --all: what a retry can help, of every kind', async (t) => {
  const upload = { ...LOST, kind: 'upload', id: '0000abcd', details: {} };
  const { state, retried } = await stateWithFailures(t, [HOPELESS], [upload]);
  t.match(await grec(state, ['retry', '--all']), { code: 0, out: '0000abcd  complete\n' });
  t.same(retried, ['upload 0000abcd']);
  const none = await stateWithFailures(t, [HOPELESS]);
  t.match(await grec(none.state, ['retry', '--all']), {
    code: 0,
    err: 'there is nothing that a retry can help\n',
  });
});

t.test('what is asked for must be one thing that has failed', async (t) => {
  const { state } = await stateWithFailures(t, [LOST, HOPELESS]);
  t.match(await grec(state, ['retry']), { code: 2 });
  t.match(await grec(state, ['retry', 'deadfa11', '--all']), { code: 2 });
  t.match(await grec(state, ['retry', 'c0ffee']), { code: 3, err: /nothing that has failed is "c0ffee"/ });
  t.match(await grec(state, ['retry', 'xyz; rm']), { code: 3 });
  t.match(await grec(state, ['retry', '019aa']), { code: 3, err: /part of 2 ids/ });
});

t.test('without grec-procd nothing is listed or tried', async (t) => {
  const state = stateWithRecordings(t);
  t.equal((await grec(state, ['failed'])).code, 4);
  t.equal((await grec(state, ['retry', '--all'])).code, 4);
  writeFileSync(join(state.directory, 'grec.toml'), 'nonsense = 1\n');
  t.equal((await grec(state, ['failed'])).code, 78);
});
