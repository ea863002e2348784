// `grec reindex`: the catalog is deleted and comes back; never while grec-procd runs.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readAudit } from '../audit/read.ts';
import { loadConfig } from '../config.ts';
import { lockState } from '../daemon.ts';
import { archiveRecording } from './fixtures/life-cycle.ts';
import { emptyState, FIRST_ID, grec, SECOND_ID, type State } from './fixtures/state.ts';

const SHORT = FIRST_ID.slice(-8);

async function stateWithoutCatalog(t: Test): Promise<State> {
  const state = emptyState(t);
  await archiveRecording(state);
  await archiveRecording(state, { id: SECOND_ID });
  for (const end of ['', '-wal', '-shm']) rmSync(`${state.catalog}${end}`, { force: true });
  return state;
}

t.test('what the archive has is listed again; a terminal sees how far it is', async (t) => {
  const state = await stateWithoutCatalog(t);
  t.equal((await grec(state, ['ls'])).code, 1);
  const { code, out, err } = await grec(state, ['reindex'], { tty: true });
  t.match([code, out], [0, '']);
  t.match(err, /reindexing 50 %.*2 recordings are listed again \(0 part of others, 0 deleted, 0 failed\)/s);
  t.match((await grec(state, ['ls'])).out, SHORT);
  const json = await grec(state, ['reindex', '--json']);
  t.match(JSON.parse(json.out), { ok: true, recordings: 2, damaged: [], problems: [] });
  t.equal(json.err, '');
  const audited: string[] = [];
  for await (const { what } of readAudit(join(state.directory, 'state', 'audit'))) audited.push(what);
  t.equal(audited.filter((what) => what === 'reindex').length, 2);
});

t.test('damage is told for each recording, and makes the exit status 1', async (t) => {
  const state = await stateWithoutCatalog(t);
  writeFileSync(join(state.recording, 'metadata.json'), 'nonsense\u001b');
  rmSync(join(state.recording, '..', SECOND_ID, 'manifest.sig'));
  const { code, out } = await grec(state, ['reindex']);
  t.equal(code, 1);
  t.match(out, new RegExp(`${FIRST_ID}: not listed: cannot read .*metadata\\.json`));
  t.match(out, new RegExp(`${SECOND_ID}: damaged: manifest\\.sig: it is missing`));
  const json = await grec(state, ['reindex', '--json']);
  t.match([json.code, JSON.parse(json.out)], [1, { ok: false, recordings: 1, damaged: [{}, {}] }]);
  t.match((await grec(state, ['ls', '--json'])).out, /damaged: manifest\.sig/);
});

t.test('never while grec-procd runs, and never from what is no archive', async (t) => {
  const state = await stateWithoutCatalog(t);
  const unlock = lockState('grec-procd', loadConfig({ file: state.configFile }));
  t.match(await grec(state, ['reindex']), { code: 1, err: /already uses .*stop it first/s });
  unlock();
  writeFileSync(state.configFile, 'state.directory = "state"\narchive.directory = "/nonexistent/archive"\n');
  t.match(await grec(state, ['reindex']), {
    code: 1,
    err: /the catalog stays as it was.*run it as the user/s,
  });
  writeFileSync(state.configFile, 'nonsense = 1\n');
  t.equal((await grec(state, ['reindex'])).code, 78);
});
