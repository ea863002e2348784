// A recording is in the archive wholly or not at all, and its files can be proved.
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { AUDIO_FILE, type Metadata } from './metadata.ts';
import { readManifest, readMetadata, verifyFiles } from './read.ts';
import { dayFolder } from './walk.ts';
import { findFinished, removeLeftovers, stageRecording } from './write.ts';

const target = (archive: string) => ({
  directory: archive,
  signingKey: join(archive, '..', 'signing-key.pem'),
});

const ID = '019aa000-0000-7000-8000-00001a2b3c4d';
const AT = Date.UTC(2026, 0, 31, 23, 59, 59, 990);
const metadata: Metadata = {
  version: 1,
  id: ID,
  callUuids: [],
  callerPhoneNumber: '7002',
  dialedPhoneNumber: '7001',
  startTime: new Date(AT).toISOString(),
  stopTime: new Date(AT).toISOString(),
  duration: 0,
  parties: [
    { label: 'a', role: 'customer', channel: 1, number: '7002', uri: 'sip:7002@x', name: 'Žofie 李' },
  ],
  mediaFiles: [
    { mediaPath: 'audio.wav', type: 'audio/wav', sampleRate: 8000, channels: 2, duration: 0, size: 5 },
  ],
  quality: [],
  segments: [],
  eventHistory: [],
  remarks: [],
  software: 'test',
};

async function publish(archive: string, change: Partial<Metadata> = {}): Promise<string> {
  const staging = await stageRecording(target(archive), ID, AT);
  writeFileSync(join(staging.directory, AUDIO_FILE), 'audio');
  return staging.publish({ ...metadata, ...change });
}

t.test('a published recording lies in the folder of its day and is whole', async (t) => {
  const archive = join(t.testdir(), 'archive');
  const path = await publish(archive);
  t.equal(path, `2026/01/31/${ID}`);
  t.same(readdirSync(join(archive, '2026/01/31')), [ID]);
  t.same(readMetadata(join(archive, path)), metadata);
  t.match(readManifest(join(archive, path)), {
    id: ID,
    files: [{ path: 'audio.wav', size: 5, sha256: /^[0-9a-f]{64}$/ }, { path: 'metadata.json' }],
  });
  t.same(verifyFiles(join(archive, path)), { ok: true, problems: [] });
  t.equal(findFinished(archive, ID, [AT + 60_000, AT]), path);
  t.equal(findFinished(archive, ID, [AT + 60_000]), undefined);
});

t.test('until it is published there is nothing but a hidden folder', async (t) => {
  const archive = join(t.testdir(), 'archive');
  const staging = await stageRecording(target(archive), ID, AT);
  writeFileSync(join(staging.directory, AUDIO_FILE), 'half');
  t.same(readdirSync(join(archive, dayFolder(AT))), [`.${ID}.tmp`]);
  t.same(await removeLeftovers(archive, [AT, 0]), [`.${ID}.tmp`]);
  t.same(readdirSync(join(archive, dayFolder(AT))), []);
  const again = await stageRecording(target(archive), ID, AT);
  await again.discard();
  t.notOk(existsSync(again.directory));
});

t.test('a start on the next day moves it there', async (t) => {
  const archive = join(t.testdir(), 'archive');
  t.equal(await publish(archive, { startTime: '2026-02-01T00:00:00.010Z' }), `2026/02/01/${ID}`);
});

t.test('what is left of a broken one is replaced', async (t) => {
  const archive = join(t.testdir(), 'archive');
  mkdirSync(join(archive, '2026/01/31', ID), { recursive: true });
  writeFileSync(join(archive, '2026/01/31', ID, 'audio.wav'), '');
  const path = await publish(archive);
  t.ok(verifyFiles(join(archive, path)).ok);
});

t.test('every change of a file is found', async (t) => {
  const archive = join(t.testdir(), 'archive');
  const folder = join(archive, await publish(archive));
  writeFileSync(join(folder, 'audio.wav'), 'AUDIO');
  appendFileSync(join(folder, 'metadata.json'), ' ');
  writeFileSync(join(folder, 'stranger'), '');
  t.match(verifyFiles(folder), {
    ok: false,
    problems: [
      /^audio.wav: its SHA-256/,
      /^metadata.json: \d+ bytes, the manifest says/,
      /^stranger: not in/,
    ],
  });
  rmSync(join(folder, 'audio.wav'));
  t.match(verifyFiles(folder).problems, [/^audio.wav: ENOENT/]);
  writeFileSync(join(folder, 'manifest.json'), '{"version":1}');
  t.match(verifyFiles(folder), { ok: false, problems: [/cannot read .*manifest.json/] });
});

t.test('a manifest that points outside of its recording proves nothing', async (t) => {
  const archive = join(t.testdir(), 'archive');
  const folder = join(archive, await publish(archive));
  const manifest = readManifest(folder);
  writeFileSync(
    join(folder, 'manifest.json'),
    JSON.stringify({ ...manifest, files: [{ path: '../x', size: 0, sha256: '' }] }),
  );
  t.match(verifyFiles(folder).problems[0], /files.0.path: not a file of this recording$/);
});

t.test('metadata that is gone or damaged is reported with the next step', async (t) => {
  const folder = t.testdir({ 'metadata.json': '{' });
  t.throws(() => readMetadata(folder), { code: 'RECORDING_UNREADABLE', hint: /damaged/ });
  t.throws(() => readMetadata(join(folder, 'none')), { code: 'RECORDING_UNREADABLE', hint: /backup/ });
});
