// `grec storage` and what `grec show` says of copies.
import { appendFileSync } from 'node:fs';
import t from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import { EXIT } from './exit-codes.ts';
import { emptyState, FIRST_ID, grec, stateWithOneRecording } from './fixtures/state.ts';

const TABLES = `
[[storage]]
name = "offsite"
type = "webdav"
url = "https://dav.example.net/recordings/"
username = "grec"
password-file = "dav-password"

[[storage]]
name = "bucket"
type = "s3"
url = "https://s3.example.net/"
bucket = "calls"
prefix = "grec"
access-key = "AKEXAMPLE"
secret-key-file = "s3-secret"
`;

t.test('without a storage, and before the first start', async (t) => {
  const state = emptyState(t);
  t.match(await grec(state, ['storage']), { code: EXIT.ok, err: /no storage is configured/ });
  appendFileSync(state.configFile, TABLES);
  const { code, out } = await grec(state, ['storage']);
  t.equal(code, EXIT.ok);
  t.match(out, /^offsite +webdav +0 .*https:\/\/dav\.example\.net\/recordings\/$/m);
  t.match(out, /^bucket +s3 .*https:\/\/s3\.example\.net\/calls\/grec$/m);
  t.notMatch(out, /dav-password|s3-secret|AKEXAMPLE/);
});

t.test('what waits, what has failed, and why a storage takes nothing', async (t) => {
  const state = emptyState(t);
  appendFileSync(state.configFile, TABLES);
  const catalog = openCatalog(state.catalog);
  const at = Date.now() - 180_000;
  const of = (recording: string, storage: string) => ({ recording, storage, round: 1, attempts: 5 });
  catalog.uploads.use(['offsite', 'bucket']);
  for (const id of ['a', 'b', 'c']) catalog.uploads.queue(id, 'offsite', `2026/01/31/${id}`, at);
  catalog.uploads.queue('a', 'gone', '2026/01/31/a', at);
  catalog.uploads.finish(of('a', 'offsite'), { files: [], size: 2_000_000, now: at });
  catalog.uploads.fail(of('b', 'offsite'), 'PUT: 413');
  catalog.uploads.setProblem('bucket', 'no answer', at);
  catalog.close();
  const { code, out, err } = await grec(state, ['storage']);
  t.equal(code, EXIT.failure);
  t.match(out, /^offsite +webdav +1 +2\.0 MB +1 +3 min +1 /m);
  t.match(out, /^gone +not configured +0 /m);
  t.match(out, /^bucket takes no copies since .*: no answer$/m);
  t.match(err, /grec .*failed/);
  const json = await grec(state, ['storage', '--json']);
  t.equal(json.code, EXIT.failure);
  t.match(JSON.parse(json.out), [
    { name: 'offsite', type: 'webdav', copies: 1, size: 2_000_000, waiting: 1, failed: 1, problem: null },
    { name: 'bucket', problem: 'no answer', problemSince: new Date(at).toISOString() },
    { name: 'gone', type: null, place: null, waiting: 1 },
  ]);
});

t.test('a test needs grec-procd', async (t) => {
  const state = emptyState(t);
  t.match(await grec(state, ['storage', 'test', 'offsite']), {
    code: EXIT.notRunning,
    err: /grec-procd is not running/,
  });
  t.match(await grec(state, ['storage', 'test']), { code: EXIT.usage });
});

t.test('a recording shows where it has copies', async (t) => {
  const state = stateWithOneRecording(t);
  t.notMatch((await grec(state, ['show', 'last'])).out, /^copy {2}/m);
  const catalog = openCatalog(state.catalog);
  const of = (storage: string) => ({ recording: FIRST_ID, storage, round: 1, attempts: 1 });
  for (const name of ['a', 'b', 'c']) catalog.uploads.queue(FIRST_ID, name, '2026/01/31/x', 1);
  catalog.uploads.finish(of('a'), { files: [], size: 1, now: Date.UTC(2026, 1, 1) });
  catalog.uploads.postpone(of('b'), 'no answer', 2);
  catalog.uploads.fail(of('c'), 'PUT: 413');
  catalog.close();
  const { out } = await grec(state, ['show', 'last']);
  t.match(
    out,
    /copy +a: read back on 2026-02-01.*\n.*copy +b: waits: no answer\n.*copy +c: failed: PUT: 413/,
  );
  t.match(JSON.parse((await grec(state, ['show', 'last', '--json'])).out), {
    copies: [{ storage: 'a', state: 'done' }, { storage: 'b' }, { storage: 'c', reason: 'PUT: 413' }],
  });
});
