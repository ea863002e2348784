// `grec show`: everything about one recording, also when its files are damaged.
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { FAILED_ID, FIRST_ID, grec, SECOND_ID, stateWithRecordings } from './fixtures/state.ts';

process.env.TZ = 'UTC';

t.test('a whole recording', async (t) => {
  const state = stateWithRecordings(t);
  const { code, out, err } = await grec(state, ['show', '1a2b3c4d'], { columns: 34 });
  t.strictSame([code, err], [0, '']);
  t.equal(
    out.replaceAll(state.directory, 'DIR'),
    `Recording ${FIRST_ID}
call         7002 → 7001, internal
start        2026-01-31 09:05:07 (2026-01-31T09:05:07.250Z)
length       0:02 (2.00 s)
state        complete
recorded DN  7001
why          DN 7001 has record=true
attached     queue=sales
session      a1b2c3d4e5f60718293a4b5c6d7e8f90
file         DIR/state/archive/2026/01/31/${FIRST_ID}/audio.wav (64 kB)

left   agent 7001, sip:7001@grec; PCMA, 100 packets, 0 lost, audio 2.00 s
right  customer 7002 Bo\ufffd[31mb, sip:7002@grec; PCMU, 99 packets, 1 lost, audio 1.98 s

  ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
L ████████████████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
                  ████████████████
R ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁████████████████
  0:00.0       0:01.0       0:02.0

events
  -0.50 s  call.created
  +2.00 s  call.released by=a

remarks
  one packet lost

files intact: every hash is that of the manifest

hear it  grec --config DIR/grec.toml play 1a2b3c4d
copy it  grec --config DIR/grec.toml export 1a2b3c4d
`,
  );
});

t.test('colours on a terminal, none with --no-color', async (t) => {
  const state = stateWithRecordings(t);
  t.ok((await grec(state, ['show', '1a2b'], { tty: true })).out.includes('\x1b[36m█'));
  t.notOk((await grec(state, ['--no-color', 'show', '1a2b'], { tty: true })).out.includes('\x1b'));
});

t.test('JSON', async (t) => {
  const state = stateWithRecordings(t);
  const { code, out } = await grec(state, ['show', '1a2b', '--json']);
  t.equal(code, 0);
  t.match(JSON.parse(out), {
    recording: { id: FIRST_ID },
    directory: state.recording,
    metadata: { id: FIRST_ID, parties: [{ role: 'agent' }, { role: 'customer' }] },
    manifest: { ok: true, problems: [] },
  });
});

t.test('a failed recording is shown with its reason', async (t) => {
  const { code, out } = await grec(stateWithRecordings(t), ['show', 'deadfa11']);
  t.equal(code, 0);
  t.match(out, `Recording ${FAILED_ID}`);
  t.match(out, /state {8}failed: no media server/);
  t.match(out, /file {9}none/);
});

t.test('damage ends with status 1 and hides nothing', async (t) => {
  const state = stateWithRecordings(t);
  appendFileSync(join(state.recording, 'audio.wav'), 'x');
  const changed = await grec(state, ['show', '1a2b']);
  t.equal(changed.code, 1);
  t.match(changed.out, 'FILES NOT INTACT');
  t.match(changed.out, 'left   agent 7001');
  rmSync(join(state.recording, 'audio.wav'));
  const lost = await grec(state, ['show', '1a2b', '--json']);
  t.equal(lost.code, 1);
  t.match(JSON.parse(lost.out), { manifest: { ok: false } });
  const gone = await grec(state, ['show', 'feedbeef']);
  t.equal(gone.code, 1);
  t.match(gone.out, `Recording ${SECOND_ID}`);
});

t.test('not found, ambiguous', async (t) => {
  const state = stateWithRecordings(t);
  for (const id of ['ffffffff', 'zz', '0000']) t.equal((await grec(state, ['show', id])).code, 3, id);
  t.match((await grec(state, ['show', '0000'])).err, /several recordings' ids:[\s\S]*give more digits/);
});
