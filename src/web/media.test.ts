// Audio by Web Services: whole, in ranges, encrypted; and nothing but what the metadata names.
import { mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stereoWav } from '../cli/fixtures/state.ts';
import { archiveAll, MINE, SEALED } from './recordings-fixture.ts';
import { services } from './web-fixture.ts';

const WAV = stereoWav();

function withRecordings(t: Test) {
  return services(t, {
    prepare: async (config) => {
      mkdirSync(config.paths.run, { recursive: true });
      await archiveAll(config);
    },
  });
}

t.test('audio comes whole, in ranges, or not again', async (t) => {
  const { ask } = await withRecordings(t);
  const path = `/recordings/${MINE}/play/audio.wav`;
  const get = (headers: Record<string, string>) => ask('ann', 'GET', path, { headers });
  const whole = await get({});
  t.equal(whole.status, 200);
  t.equal(whole.headers['content-type'], 'audio/wav');
  t.ok(whole.bytes.equals(WAV));
  const etag = String(whole.headers['etag']);
  const head = await ask('ann', 'HEAD', path);
  t.match(head.headers, { 'content-length': String(WAV.length), etag });
  t.equal(head.bytes.length, 0);
  for (const [range, first, end] of [
    ['bytes=0-0', 0, 1],
    ['bytes=100-', 100, WAV.length],
    ['bytes=-5', WAV.length - 5, WAV.length],
    ['bytes=9-999999999', 9, WAV.length],
    ['bytes=-999999999', 0, WAV.length],
  ] as const) {
    const part = await get({ range });
    t.equal(part.status, 206, range);
    t.ok(part.bytes.equals(WAV.subarray(first, end)), range);
    t.equal(part.headers['content-range'], `bytes ${first}-${end - 1}/${WAV.length}`);
  }
  for (const range of [`bytes=${WAV.length}-`, 'bytes=-0', 'bytes=999999999999999-']) {
    const refused = await get({ range });
    t.equal(refused.status, 416, range);
    t.equal(refused.headers['content-range'], `bytes */${WAV.length}`);
  }
  for (const range of [
    'bytes=5-1',
    'bytes=a-b',
    'lines=1-2',
    'bytes=0-1,3-4',
    `bytes=${'9'.repeat(99)}-`,
    'bytes=',
    'bytes=-',
  ])
    t.equal((await get({ range })).status, 200, `${range}: no range that is understood`);
  t.equal((await get({ 'if-none-match': etag })).status, 304);
  t.equal((await get({ 'if-none-match': `"x", W/${etag}` })).status, 304);
  t.equal((await get({ 'if-none-match': '"x"' })).status, 200);
  t.equal((await get({ range: 'bytes=0-9', 'if-range': etag })).status, 206);
  t.equal((await get({ range: 'bytes=0-9', 'if-range': '"old"' })).status, 200);
});

t.test('what is encrypted is told of, and given only as it is', async (t) => {
  const { ask } = await withRecordings(t);
  const path = `/recordings/${SEALED}/play/audio.wav.cms`;
  const refused = await ask('ann', 'GET', path);
  t.equal(refused.status, 409);
  t.match(refused.body, { type: 'urn:grec:problem:recording-encrypted', detail: /CN=legal/ });
  const given = await ask('ann', 'GET', path, { headers: { accept: 'application/pkcs7-mime' } });
  t.equal(given.status, 200);
  t.equal(given.headers['content-type'], 'application/pkcs7-mime');
});

t.test('nothing but the files that the metadata names, and no link', async (t) => {
  const { ask, config } = await withRecordings(t);
  for (const file of [
    'manifest.json',
    'metadata.json',
    '..',
    '.',
    '%2e%2e',
    '..%2fmetadata.json',
    '..%5cx',
    '%00',
    'audio.wav%00',
    'a'.repeat(101),
    '%2fetc%2fpasswd',
    '....//',
  ])
    for (const who of ['ann', 'root'] as const) {
      const { status } = await ask(who, 'GET', `/recordings/${MINE}/play/${file}`);
      t.ok([400, 404, 414].includes(status), `${file}: ${status}`);
    }
  const audio = join(config.paths.archive, '2026', '01', '31', MINE, 'audio.wav');
  renameSync(audio, `${audio}.old`);
  symlinkSync('/etc/passwd', audio);
  const linked = await ask('ann', 'GET', `/recordings/${MINE}/play/audio.wav`);
  t.equal(linked.status, 503);
  t.notMatch(JSON.stringify(linked.body), /archive|tmp/, 'of this machine nothing is told');
});
