// Recordings and their evidence come together: without a key nothing is archived, and nothing is lost.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { sha256 } from '../archive/digest.ts';
import { readManifest } from '../archive/read.ts';
import { verifyArchive } from '../archive/verify.ts';
import { openCatalogReader } from '../catalog/catalog.ts';
import { type Config, loadConfig } from '../config.ts';
import { silentLogger } from '../log.ts';
import { callBegins, callEnds, captureOf, FakeState, metadataOf, T0, talk } from './fixtures/segments.ts';
import { startProcessor } from './processor.ts';

const CALL = '019aa000-0000-7000-8000-0000000000ca';
const RECORDING = '019aa000-0000-7000-8000-00001a2b3c4d';
const CAPTURE = captureOf([...talk({ label: 'a' }), ...talk({ label: 'b' })]);
const END = T0 + 1_100_000;

function recordedCall(t: Test): Config {
  const directory = mkdtempSync(join(tmpdir(), 'grec-evidence-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'grec.toml'), 'state.directory = "state"\n');
  const config = loadConfig({ file: join(directory, 'grec.toml'), env: {} });
  const state = new FakeState(config.paths.state);
  state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING));
  state.writeSegment('seg-1', { metadata: metadataOf(RECORDING, CALL), closed: { at: END } }, CAPTURE);
  state.append('grec-sipd', END, ...callEnds(CALL, RECORDING));
  return config;
}

function start(config: Config) {
  return startProcessor({ config, log: silentLogger(), now: () => END, pollMs: 20, firstRetryMs: 20 });
}

/** Waits for what the catalog tells. */
async function until(config: Config, isSo: (catalog: ReturnType<typeof openCatalogReader>) => boolean) {
  for (;;) {
    const catalog = openCatalogReader(config.paths.catalog);
    const found = isSo(catalog);
    catalog.close();
    if (found) return;
    await delay(5);
  }
}

t.test('a finished recording proves its files and the capture that it was made of', async (t) => {
  const config = recordedCall(t);
  const daemon = await start(config);
  await until(config, (catalog) => catalog.count() === 1);
  await daemon.stop();
  t.same(readdirSync(config.paths.spool), []);
  const { archive } = config.paths;
  const report = await verifyArchive({ archive, ids: [RECORDING] });
  t.match(report, { findings: [], head: { sequence: 1 }, asked: [{ id: RECORDING, state: 'signed' }] });
  t.match(readManifest(join(archive, report.asked[0]?.path ?? '')), {
    revision: 1,
    previous: null,
    software: /^grec /,
    captures: [{ segment: 'seg-1', size: CAPTURE.length, sha256: sha256(CAPTURE) }],
  });
});

t.test(
  'a key that cannot be used: the recording waits, an alarm says why, and the work catches up',
  async (t) => {
    const config = recordedCall(t);
    const { signingKey, archive, spool } = config.paths;
    mkdirSync(join(signingKey, '..'), { recursive: true });
    writeFileSync(signingKey, 'no key', { mode: 0o600 });
    const daemon = await start(config);
    await until(config, (catalog) => catalog.alarmCount() === 1);
    const catalog = openCatalogReader(config.paths.catalog);
    t.match(catalog.alarms(), [
      { severity: 'major', message: /cannot use the signing key .*signing-key.pem/ },
    ]);
    t.equal(catalog.count(), 0);
    catalog.close();
    t.same(readdirSync(spool), ['seg-1']);
    rmSync(signingKey);
    await until(config, (catalog) => catalog.count() === 1);
    await daemon.stop();
    t.match(await verifyArchive({ archive }), { findings: [], recordings: 1, unsigned: 0 });
    t.match(readFileSync(signingKey, 'utf8'), /^-----BEGIN PRIVATE KEY-----/);
  },
);
