// What could not be decoded is made again by itself when there is an ffmpeg: installed, configured, or at the next start; once for each.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { readAudit } from '../audit/read.ts';
import { CALL, type Failing, failing, namesIn, RECORDING, tellCall } from './fixtures/failing.ts';
import { hasFfmpeg } from './fixtures/reference-speech.ts';

const NO_FFMPEG = hasFfmpeg() ? false : 'ffmpeg is not installed';
const PARTIAL = {
  both: false,
  call: CALL.replace(/ca$/, 'cb'),
  recording: RECORDING.replace(/3c4d$/, '3c4e'),
  segment: 'seg-2',
};

const states = (it: Failing) =>
  it
    .ask((catalog) => catalog.list())
    .map(({ state }) => state)
    .sort();

async function retries({ config }: Failing): Promise<number> {
  let count = 0;
  for await (const { what } of readAudit(config.paths.audit)) count += what === 'retry' ? 1 : 0;
  return count;
}

async function until(isSo: () => boolean): Promise<void> {
  const limit = performance.now() + 20_000;
  while (!isSo()) {
    if (performance.now() > limit) throw new Error(`not within 20 s: ${isSo}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

t.test('installed later: the failed and the partial ones become whole', { skip: NO_FFMPEG }, async (t) => {
  const it = failing(t);
  tellCall(it);
  tellCall(it, PARTIAL);
  const daemon = await it.start({ pollMs: 30, lookForDecodersMs: 30 });
  await it.sync(daemon);
  t.same(states(it), ['failed', 'partial']);
  it.installFfmpeg();
  await until(() => states(it).join() === 'complete,complete');
  await it.sync(daemon);
  t.same(namesIn(it.failedFolder), []);
  t.equal(
    it.ask((catalog) => catalog.alarmCount()),
    0,
  );
  t.equal(await retries(it), 2);
});

t.test('configured, and the configuration read again', { skip: NO_FFMPEG }, async (t) => {
  const it = failing(t);
  tellCall(it);
  const daemon = await it.start();
  await it.sync(daemon);
  it.configure(`export.ffmpeg = "${it.installFfmpeg('other')}"\n`);
  await it.sync(daemon);
  t.same(states(it), ['failed'], 'not before it is read');
  await it.reload(daemon);
  await it.sync(daemon);
  t.same(states(it), ['complete']);
  tellCall(it, { ...PARTIAL, both: true });
  await it.sync(daemon);
  t.same(states(it), ['complete', 'complete'], 'what comes later is decoded with it');
});

t.test('there at the next start', { skip: NO_FFMPEG }, async (t) => {
  const it = failing(t);
  tellCall(it);
  const first = await it.start();
  await it.sync(first);
  await first.stop();
  it.installFfmpeg();
  await it.sync(await it.start());
  t.same(states(it), ['complete']);
});

t.test('one that cannot do it either is tried once, also when grec-procd starts again', async (t) => {
  const it = failing(t);
  tellCall(it);
  const first = await it.start({ lookForDecodersMs: 1 });
  await it.sync(first);
  t.equal(await retries(it), 0);
  const broken = 'case "$*" in *coders*) echo " A....D g722 G.722"; exit 0;; esac; exit 1';
  const program = join(dirname(it.config.paths.state), 'ffmpeg');
  writeFileSync(program, `#!/bin/sh\n${broken}\n`, { mode: 0o755 });
  await it.reload(first);
  for (let round = 0; round < 5; round += 1) await it.sync(first);
  t.equal(await retries(it), 1);
  await first.stop();
  const second = await it.start({ lookForDecodersMs: 1 });
  for (let round = 0; round < 5; round += 1) await it.sync(second);
  t.equal(await retries(it), 1);
  t.same(states(it), ['failed']);
  writeFileSync(`${program}-2`, `#!/bin/sh\n${broken}\n`, { mode: 0o755 });
  it.configure(`export.ffmpeg = "${program}-2"\n`);
  await it.reload(second);
  await it.sync(second);
  t.equal(await retries(it), 2, 'another one is another try');
});

t.test('one that lacks the decoder as before is not tried', async (t) => {
  const it = failing(t);
  const program = join(dirname(it.config.paths.state), 'ffmpeg');
  writeFileSync(program, '#!/bin/sh\necho " A....D aac AAC"\n', { mode: 0o755 });
  tellCall(it);
  const daemon = await it.start({ lookForDecodersMs: 1 });
  for (let round = 0; round < 4; round += 1) await it.sync(daemon);
  t.match(it.list(daemon), [{ reason: /lacks the decoder g722/ }]);
  t.equal(await retries(it), 0);
});
