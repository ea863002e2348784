// `grec verify` and `grec key`: what is printed, and the exit status on which cron relies.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { idOf, record } from '../archive/chained-fixture.ts';
import { FINDING_CODES } from '../archive/finding.ts';
import { parseManifest } from '../archive/manifest.ts';
import { openCatalog } from '../catalog/catalog.ts';
import { emptyState, FIRST_ID, grec, row, START, type State, stateWithRecordings } from './fixtures/state.ts';

const MAN = join(import.meta.dirname, '..', '..', 'man');
const noOpenssl = spawnSync('openssl', ['version']).error === undefined ? false : 'openssl is not installed';

/** The first one is of before manifests were signed, as the state's other recordings are. */
async function signedState(t: Test): Promise<State & { archive: string; signed: string }> {
  const state = stateWithRecordings(t);
  const directory = join(state.directory, 'state', 'archive');
  const target = { directory, signingKey: join(state.directory, 'state', 'signing-key.pem') };
  const path = await record(target, 1, { at: Date.UTC(2026, 1, 1, 12) });
  await record(target, 2, { at: Date.UTC(2026, 1, 2, 12) });
  return { ...state, archive: directory, signed: join(directory, path) };
}

t.test('all is intact: a line, the end of the chain, and status 0', async (t) => {
  const state = await signedState(t);
  const { code, out, err } = await grec(state, ['verify', '--all']);
  t.strictSame([code, err], [0, ''], 'no progress where nobody looks');
  t.match(
    out,
    /^3 recordings, 1 of them from before manifests were signed: all intact\nend of the chain: 2:[0-9a-f]{64}\n$/,
  );
  const [, end = ''] = /: (2:\w+)/.exec(out) ?? [];
  t.match(await grec(state, ['verify', '--all', '--quiet', '--expect', end]), { code: 0, out: '' });
  t.match(await grec(state, ['verify', FIRST_ID, idOf(1)]), {
    code: 0,
    out: `${FIRST_ID}: intact, from before manifests were signed\n${idOf(1)}: intact\n2 recordings`,
  });
  t.match(await grec(state, ['verify', '--since', '2026-02-01T00:00Z']), {
    code: 0,
    out: /^2 recordings: all/,
  });
  const json = await grec(state, ['verify', 'last', '--json']);
  t.match(JSON.parse(json.out), { ok: true, findings: [], recordings: 1, asked: [{ id: idOf(2) }] });
});

t.test('something is wrong: file and bytes are named, and status 1', async (t) => {
  const state = await signedState(t);
  writeFileSync(join(state.signed, 'audio.wav'), 'AUDIO 1');
  const { code, out } = await grec(state, ['verify', '--all', '--quiet']);
  const place = `2026/02/01/${idOf(1)}/audio.wav`;
  t.strictSame([code, out], [1, `${place}: it has been changed: in bytes 0 to 6\n`]);
  t.match(await grec(state, ['verify', idOf(1)]), { code: 1, out: /1 recording: 1 found wrong\n$/ });
  t.match(await grec(state, ['verify', idOf(2)]), { code: 0 });
  const json = JSON.parse((await grec(state, ['verify', '--all', '--json'])).out);
  t.match(json, {
    ok: false,
    findings: [{ code: 'file-changed', id: idOf(1), file: 'audio.wav', ranges: [{ first: 0, last: 6 }] }],
    head: { sequence: 2 },
  });
});

t.test('progress is shown on a terminal, and cleared', async (t) => {
  const { err } = await grec(await signedState(t), ['verify', '--all'], { tty: true });
  const shown = [...err.matchAll(/\rverifying (\d+) %/g)].map(([, percent]) => Number(percent));
  t.same(
    shown,
    shown.toSorted((one, other) => one - other),
  );
  t.equal(shown.at(-1), 100);
  t.ok(err.endsWith(' 100 %\r\u001b[K'));
});

t.test('a copy is verified where it lies, without configuration', async (t) => {
  const state = await signedState(t);
  const copy = join(state.directory, 'copy');
  renameSync(state.archive, copy);
  t.match(await grec(state, ['verify', '--all']), { code: 1, err: /cannot read the archive .*--archive/s });
  t.match(await grec(state, ['verify', '--all', '--archive', copy]), { code: 0, out: /all intact/ });
});

t.test('what is asked wrongly is a mistake of its own', async (t) => {
  const state = await signedState(t);
  t.match(await grec(state, ['verify']), { code: 2, err: /ids, --all or --since/ });
  t.match(await grec(state, ['verify', 'last', '--all']), { code: 2 });
  t.match(await grec(state, ['verify', '--since', 'never']), { code: 2, err: /is not a time/ });
  t.match(await grec(state, ['verify', '--all', '--key', 'abc']), { code: 2, err: /64 hex digits/ });
  t.match(await grec(state, ['verify', '--all', '--expect', '0:abc']), { code: 2, err: /NUMBER:SHA256/ });
  t.match(await grec(state, ['verify', 'last', '--expect', `1:${'0'.repeat(64)}`]), { code: 2 });
  t.match(await grec(state, ['verify', 'feedf00d']), { code: 3, err: /there is no recording "feedf00d"/ });
});

t.test('keys: made once, shown without the private half, rotated', async (t) => {
  const state = emptyState(t);
  const file = join(state.directory, 'state', 'signing-key.pem');
  t.match(await grec(state, ['key']), { code: 0, out: '', err: /there is no signing key/ });
  const made = await grec(state, ['key', 'new']);
  const first = made.out.trim();
  t.match(first, /^[0-9a-f]{64}$/);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.match(await grec(state, ['key', 'new']), { code: 5, err: /grec .*key rotate/ });
  const rotated = await grec(state, ['key', 'rotate', '--json']);
  const { key: second } = JSON.parse(rotated.out);
  t.not(first, second);
  t.equal(statSync(file).mode & 0o777, 0o600);
  const shown = await grec(state, ['key', 'show']);
  t.match(shown.out, new RegExp(`^${second}  signs, with .*\n${first}  .*keys/${first}.pem\n$`));
  t.match(JSON.parse((await grec(state, ['key', '--json'])).out), { file, key: second, keys: { length: 2 } });
  for (const { out, err } of [made, rotated, shown]) t.notMatch(out + err, /PRIVATE/);
  writeFileSync(file, 'no key');
  t.match(await grec(state, ['key', 'rotate']), { code: 1, err: /cannot use the signing key/ });
  t.same(
    readdirSync(join(file, '..')).filter((name) => name.startsWith('signing-key')),
    ['signing-key.pem'],
  );
});

t.test('openssl alone verifies a recording, by the command of the manual', { skip: noOpenssl }, async (t) => {
  const state = await signedState(t);
  const page = readFileSync(join(MAN, 'grec-verify.1'), 'utf8');
  const [command = ''] = /^openssl pkeyutl .*$/m.exec(page) ?? [];
  const bytes = readFileSync(join(state.signed, 'manifest.json'));
  const { key } = JSON.parse(bytes.toString());
  const run = () =>
    spawnSync('sh', ['-c', command], { cwd: state.signed, env: { ...process.env, KEY: key } });
  t.match(String(run().stdout), 'Signature Verified Successfully');
  t.equal(run().status, 0);
  writeFileSync(
    join(state.signed, 'manifest.json'),
    bytes.toString().replace('"revision": 1', '"revision": 2'),
  );
  t.not(run().status, 0);
});

t.test('the example of the manual is a manifest', async (t) => {
  const page = readFileSync(join(MAN, 'grec-manifest.5'), 'utf8');
  const [, example = ''] = /^\.Bd -literal\n(\{\n[\s\S]*?)^\.Ed/m.exec(page) ?? [];
  const parsed = parseManifest(Buffer.from(example));
  t.match(parsed, { manifest: { version: 2, sequence: 2 } });
  const members = 'manifest' in parsed ? Object.keys(parsed.manifest) : [];
  for (const member of members) t.match(page, new RegExp(`^\\.It Li .*\\b${member}\\b`, 'm'));
});

t.test('every code of a finding is in the manual', async (t) => {
  const page = readFileSync(join(MAN, 'grec-verify.1'), 'utf8');
  const [, section = ''] = page.split('.Ss Codes');
  const described = [...(section.split('.Ss ')[0] ?? '').matchAll(/^\.It Li (\S+)/gm)].map(
    ([, code]) => code,
  );
  t.strictSame(described, FINDING_CODES);
});

t.test(
  '[archive] signing-key places the key, relative to the configuration; what is no path is a mistake',
  async (t) => {
    const state = emptyState(t);
    const configured = (line: string) =>
      writeFileSync(state.configFile, `state.directory = "state"\n${line}\n`);
    configured('archive.signing-key = "keys/own.pem"');
    t.match(await grec(state, ['key', 'new', '--json']), { code: 0 });
    t.ok(existsSync(join(state.directory, 'keys', 'own.pem')));
    for (const wrong of ['5', '""', '["a"]']) {
      configured(`archive.signing-key = ${wrong}`);
      t.match(await grec(state, ['key']), {
        code: 78,
        err: /:2: archive.signing-key: expected the path of a signing key/,
      });
    }
  },
);

t.test('export gives out nothing whose signature is wrong', async (t) => {
  const state = await signedState(t);
  const catalog = openCatalog(state.catalog);
  catalog.putRecording(row({ id: idOf(1), path: `2026/02/01/${idOf(1)}` }), [], START);
  catalog.close();
  const target = join(state.directory, 'out.wav');
  t.match(await grec(state, ['export', idOf(1), '-o', target]), { code: 0 });
  const file = join(state.signed, 'manifest.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('"segment-1"', '"segment-9"'));
  const { code, err } = await grec(state, ['export', idOf(1), '-o', target, '--force']);
  t.equal(code, 1);
  t.match(err, /is not intact: manifest.json: the signature is wrong/);
});
