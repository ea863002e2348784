// `grec hold unhold label purge`, and what other commands say of recordings that were held, labelled or deleted.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { silentLogger } from '../log.ts';
import { openJournal } from '../spool/journal.ts';
import { archiveRecording, stateWithLifeCycle } from './fixtures/life-cycle.ts';
import { FIRST_ID, grec, SECOND_ID, stateWithOneRecording } from './fixtures/state.ts';

process.env.TZ = 'UTC';
const CLASSES = '[[retention]]\nname = "default"\ndelete = "30d"\n';
const SHORT = FIRST_ID.slice(-8);

t.test('hold: grec purge passes over it, grec ls and grec show say so; unhold ends it', async (t) => {
  const state = await stateWithLifeCycle(t, CLASSES);
  const held = await grec(state, ['hold', SHORT, '--reason', 'case 12', '--json']);
  t.equal(held.code, 0, held.err);
  t.match(JSON.parse(held.out), [
    { id: FIRST_ID, act: 2, hold: { reason: 'case 12', by: { user: userInfo().username } } },
  ]);
  t.match((await grec(state, ['ls', '--held'])).out, SHORT);
  t.match((await grec(state, ['show', SHORT])).out, /under hold {2}case 12/);
  const kept = await grec(state, ['purge']);
  t.equal(kept.code, 0);
  t.match(kept.err, `${SHORT} stays: under hold: case 12`);
  const again = await grec(state, ['hold', SHORT, '--reason', 'case 13']);
  t.match([again.code, again.err], [5, /under hold already: case 12/]);
  t.equal((await grec(state, ['unhold', SHORT, '--reason', 'settled'])).code, 0);
  t.match((await grec(state, ['unhold', SHORT, '--reason', 'settled'])).err, 'not under hold');
  t.match((await grec(state, ['ls', '--held'])).err, 'no recordings found');
});

t.test('label: labels, comments and data are shown, and found', async (t) => {
  const state = await stateWithLifeCycle(t);
  const args = ['sales', 'angry', '--comment', 'called back', '--data', 'case=12=b', '--data', 'x=y'];
  t.equal((await grec(state, ['label', 'last', ...args])).code, 0);
  const { out } = await grec(state, ['label', SHORT, '--remove', 'angry', '--remove-data', 'x']);
  t.equal(out, `${SHORT}  labels: sales\n`);
  const shown = JSON.parse((await grec(state, ['show', SHORT, '--json'])).out);
  t.match(shown.state, {
    labels: ['sales'],
    data: { case: '12=b' },
    comments: [{ text: 'called back' }],
    problems: [],
  });
  t.same(Object.keys(shown.state.data), ['case']);
  t.match((await grec(state, ['show', SHORT])).out, /labels {2,}sales\n.*case=12=b\n.*called back/s);
  t.match((await grec(state, ['ls', '--label', 'sales'])).out, SHORT);
  t.match((await grec(state, ['ls', '--label', 'angry'])).err, 'no recordings found');
  t.equal((await grec(state, ['label', SHORT])).code, 2);
  t.equal((await grec(state, ['label', SHORT, '--data', 'x'])).code, 2);
  t.match((await grec(state, ['label', SHORT, 'two words'])).err, 'expected a label');
});

t.test('purge: said first, then done; verify, show and reconcile know of it', async (t) => {
  const state = await stateWithLifeCycle(t, CLASSES);
  await archiveRecording(state, { id: SECOND_ID, retention: 'decade' });
  const said = await grec(state, ['purge', '--dry-run']);
  t.equal(said.code, 0, said.err);
  t.match(said.out, new RegExp(`WOULD BE DELETED BY\n${SHORT}.*default: delete = 30d`));
  t.match(said.err, /1 recordings name the class "decade", which is not configured: they stay/);
  t.ok(existsSync(state.recording));
  const done = await grec(state, ['purge', '--json']);
  t.match(JSON.parse(done.out), { dryRun: false, deleted: [{ id: FIRST_ID }], kept: [], unfinished: [] });
  t.notOk(existsSync(state.recording));
  const { code, err } = await grec(state, ['show', SHORT]);
  t.match([code, err], [3, /was deleted on 20.*default: delete = 30d/]);
  const verified = await grec(state, ['verify', FIRST_ID]);
  t.match([verified.code, verified.out], [0, /deleted on .* which is signed/]);
  t.match((await grec(state, ['verify', '--all'])).out, '1 recording, 1 deleted: all intact');
  t.match((await grec(state, ['purge'])).err, '0 recordings and 0 captures deleted, 0 stay');
});

t.test('reconcile: a deleted recording is no loss; one that nobody signed is', async (t) => {
  const state = await stateWithLifeCycle(t, CLASSES);
  const directory = join(state.directory, 'state', 'journal');
  mkdirSync(directory, { recursive: true });
  const journal = openJournal({ directory, daemon: 'grec-sipd', log: silentLogger() });
  const party = (number: string) => ({ number, uri: `sip:${number}@h` });
  const call = 'call-1';
  journal.append({
    type: 'call.created',
    call,
    sessionId: 's',
    direction: 'internal',
    from: party('1'),
    to: party('2'),
  });
  journal.append({ type: 'call.answered', call });
  journal.append({ type: 'recording.started', call, recording: FIRST_ID, parties: [] });
  journal.append({ type: 'call.released', call, by: 'a', status: 200, reason: 'hung up', answered: true });
  await journal.close();
  t.equal((await grec(state, ['purge'])).code, 0);
  const { code, out, err } = await grec(state, ['reconcile']);
  t.match([code, out], [0, '']);
  t.match(err, '1 recordings were deleted as their classes say');
  const purged = join(state.directory, 'state', 'archive', 'purged', '000000000002.json');
  const text = readFileSync(purged, 'utf8');
  writeFileSync(purged, text.replace('30d', '31d'));
  t.match((await grec(state, ['reconcile'])).out, /missing .*no signed act of the archive does/);
  rmSync(purged);
  t.equal((await grec(state, ['reconcile'])).code, 1);
});

t.test('a recording that has to go and cannot makes the exit status 1', async (t) => {
  const state = await stateWithLifeCycle(t, CLASSES);
  rmSync(join(state.recording, 'manifest.sig'));
  const { code, err } = await grec(state, ['purge']);
  t.match([code, err], [1, /stays: not intact: manifest\.sig/]);
});

t.test('acts that were tampered with are shown as such', async (t) => {
  const state = await stateWithLifeCycle(t);
  await grec(state, ['hold', SHORT, '--reason', 'case 12']);
  const file = join(state.directory, 'state/archive/acts/4d', FIRST_ID, '000000000002.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('case 12', 'case 13'));
  t.match((await grec(state, ['show', SHORT])).out, /WRONG {2}acts.*signature is wrong/);
});

t.test('without grec-procd, or without a reason, nothing is done', async (t) => {
  const state = stateWithOneRecording(t);
  t.equal((await grec(state, ['hold', SHORT, '--reason', 'x'])).code, 4);
  t.equal((await grec(state, ['purge'])).code, 4);
  t.equal((await grec(state, ['hold', SHORT])).code, 2);
  t.equal((await grec(state, ['hold', '--reason', 'x'])).code, 2);
});
