// Encrypted recordings: made without a private key, opened by grec with one, and by openssl with the command of the manual.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readMetadata } from '../archive/read.ts';
import { loadConfig } from '../config.ts';
import type { ControlRequest } from '../control.ts';
import type { RunningDaemon } from '../daemon.ts';
import { silentLogger } from '../log.ts';
import {
  callBegins,
  callEnds,
  captureOf,
  FakeState,
  metadataOf,
  T0,
  talk,
} from '../processing/fixtures/segments.ts';
import { startProcessor } from '../processing/processor.ts';
import { grec, type State } from './fixtures/state.ts';

const CALL = '019aa000-0000-7000-8000-0000000000ca';
const ID = '019aa000-0000-7000-8000-00001a2b3c4d';
const BOTH = captureOf([...talk({ label: 'a' }), ...talk({ label: 'b' })]);
const END = T0 + 1_100_000;
const MAN = join(import.meta.dirname, '..', '..', 'man');

/** A state directory, and certificates with their keys in it. */
function site(t: Test, toml: string, ...names: string[]): State {
  const directory = mkdtempSync(join(tmpdir(), 'grec-sealed-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  for (const name of names) {
    const [certificate, key] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
    const argv = ['req', '-x509', '-newkey', 'rsa:2048', '-noenc', '-keyout', key, '-out', certificate];
    execFileSync('openssl', [...argv, '-days', '30', '-subj', `/CN=${name}`], { stdio: 'ignore' });
    chmodSync(key, 0o600);
  }
  const configFile = join(directory, 'grec.toml');
  writeFileSync(configFile, `state.directory = "state"\n${toml}`);
  const { paths } = loadConfig({ file: configFile, env: {} });
  return {
    directory,
    configFile,
    catalog: paths.catalog,
    recording: join(paths.archive, '2026', '01', '31', ID),
  };
}

/** A call becomes a recording. */
async function make(t: Test, { configFile }: State, recording = ID): Promise<RunningDaemon> {
  const config = loadConfig({ file: configFile, env: {} });
  const state = new FakeState(config.paths.state);
  const call = recording.replace(/....$/, 'ca11') || CALL;
  state.append('grec-sipd', T0, ...callBegins(call, recording));
  state.writeSegment(
    `seg-${recording}`,
    { metadata: metadataOf(recording, call), closed: { at: END } },
    BOTH,
  );
  state.append('grec-sipd', END, ...callEnds(call, recording));
  const daemon = await startProcessor({ config, log: silentLogger(), now: () => END, firstRetryMs: 10 });
  t.teardown(() => daemon.stop().catch(() => undefined));
  await sync(daemon);
  return daemon;
}

const NO_REQUEST: ControlRequest = { params: {}, query: new URLSearchParams(), body: undefined };
const sync = async (daemon: RunningDaemon) => daemon.routes?.['POST /sync']?.(NO_REQUEST);

function directoryOf(state: State): string {
  const { paths } = loadConfig({ file: state.configFile, env: {} });
  const found = readdirSync(paths.archive, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith(ID),
  );
  return join(paths.archive, found ?? 'none');
}

t.test(
  'two recipients: each opens it, by grec and by the command of the manual; nobody else does',
  async (t) => {
    const toml = '[encryption]\ncertificate = ["ann.pem", "bob.pem"]\n';
    const clear = site(t, '');
    await make(t, clear);
    const audio = readFileSync(join(directoryOf(clear), 'audio.wav'));
    const state = site(t, toml, 'ann', 'bob', 'eve');
    await make(t, state);
    const directory = directoryOf(state);
    t.same(readdirSync(directory).sort(), [
      'audio.wav.cms',
      'manifest.json',
      'manifest.sig',
      'metadata.json',
    ]);
    t.match(readMetadata(directory).mediaFiles, [
      {
        mediaPath: 'audio.wav.cms',
        encryption: { size: audio.length, recipients: [{ subject: 'CN=ann' }, { subject: 'CN=bob' }] },
      },
    ]);
    const [, command = ''] =
      /^\$ (openssl cms -decrypt .*)$/m.exec(readFileSync(join(MAN, 'grec-encryption.7'), 'utf8')) ?? [];
    for (const name of ['ann', 'bob']) {
      const key = join(state.directory, `${name}.key`);
      execFileSync('sh', ['-c', command.replace('private.key', key)], { cwd: directory });
      t.same(readFileSync(join(directory, 'audio.wav')), audio, command);
      rmSync(join(directory, 'audio.wav'));
      const played = await grec(state, ['play', ID, '--stdout', '--private-key', key]);
      t.same(played.bytes, audio);
      const target = join(state.directory, `${name}.wav`);
      t.equal((await grec(state, ['export', ID, '-o', target, '--private-key', key])).code, 0);
      t.same(readFileSync(target), audio);
      t.equal((await grec(state, ['verify', '--all', '--private-key', key])).code, 0);
    }
    const eve = join(state.directory, 'eve.key');
    const target = join(state.directory, 'eve.wav');
    for (const argv of [
      ['play', ID, '--stdout'],
      ['export', ID, '-o', target],
    ]) {
      t.match(await grec(state, argv), { code: 1, out: '', err: /is encrypted, and not to any.*none is/ });
      t.match(await grec(state, [...argv, '--private-key', eve]), {
        code: 1,
        out: '',
        err: /not to the private key/,
      });
    }
    t.notOk(existsSync(target));
    t.match(await grec(state, ['verify', '--all', '--private-key', eve]), {
      code: 1,
      out: /audio\.wav\.cms: .*is encrypted/,
    });
    t.equal(
      (await grec(state, ['verify', '--all'])).code,
      0,
      'without a key: the files are as they were written',
    );
    t.equal((await grec(state, ['reconcile'])).code, 0);
    t.match((await grec(state, ['show', ID])).out, /encrypted to +CN=ann, CN=bob/);
  },
);

t.test(
  'rotation: the configuration names all keys, and new recordings are encrypted to the new certificate',
  async (t) => {
    const state = site(
      t,
      '[encryption]\ncertificate = "old.pem"\nprivate-key = ["new.key", "old.key"]\n',
      'old',
      'new',
    );
    await (await make(t, state)).stop();
    const toml = readFileSync(state.configFile, 'utf8');
    writeFileSync(state.configFile, toml.replace('"old.pem"', '"new.pem"'));
    const other = ID.replace('1a2b', '9f9f');
    await make(t, state, other);
    for (const id of [ID, other]) t.equal((await grec(state, ['play', id, '--stdout'])).code, 0, id);
    const old = join(state.directory, 'old.key');
    t.equal((await grec(state, ['play', ID, '--stdout', '--private-key', old])).code, 0);
    t.equal((await grec(state, ['play', other, '--stdout', '--private-key', old])).code, 1);
  },
);

t.test(
  'a certificate that cannot be used: the recording waits in the spool, and is made when it can be',
  async (t) => {
    const state = site(t, '[encryption]\ncertificate = "ann.pem"\n', 'ann');
    const pem = readFileSync(join(state.directory, 'ann.pem'));
    writeFileSync(join(state.directory, 'ann.pem'), 'broken');
    const daemon = await make(t, state);
    t.notOk(existsSync(directoryOf(state)));
    t.match((await grec(state, ['ls', '--json'])).out, '[]');
    const alarms = (await daemon.routes?.['GET /alarms']?.(NO_REQUEST)) as { message: string }[];
    t.match(alarms, [
      { message: /wait in the spool: cannot encrypt to the certificate .*no certificate in it/ },
    ]);
    writeFileSync(join(state.directory, 'ann.pem'), pem);
    t.equal((await grec(state, ['config', 'check'])).code, 0);
    while (!existsSync(directoryOf(state))) await sync(daemon);
    t.same(readdirSync(directoryOf(state)).includes('audio.wav'), false, 'never in clear');
  },
);

t.test('the private key from the environment, and a configuration that is wrong', async (t) => {
  const state = site(t, '', 'ann');
  const env = { GREC_PRIVATE_KEY: join(state.directory, 'ann.key') };
  const { paths } = loadConfig({ file: state.configFile, env });
  t.same(paths.encryption.privateKeys, [env.GREC_PRIVATE_KEY]);
  writeFileSync(state.configFile, '[encryption]\ncertificate = 7\nkey = "x"\n');
  const { code, err } = await grec(state, ['config', 'check']);
  t.equal(code, 78);
  t.match(err, /:2: encryption\.certificate: expected the path of a file, or a list/);
  t.match(
    err,
    /:3: encryption\.key: unknown key; accepted here: certificate, private-key, passphrase-file, spool-key/,
  );
});
