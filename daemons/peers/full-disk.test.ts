// The disk of the spool is full to the end of the media server: the call goes on, and its recording says what is missing.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { mountDisk, noDisk, unmountDisk } from '../../src/testing/small-disk.ts';
import { type Installation, install } from './installation.ts';
import { NumberedCalls, PACKET_MS } from './numbered-calls.ts';

async function stopAll(installation: Installation, calls: NumberedCalls): Promise<void> {
  await calls.close();
  await installation.daemons.stop();
  unmountDisk(installation.config.paths.spool);
  await installation.stop();
}

t.test('a disk that stays full', { skip: noDisk(), timeout: 60_000 }, async (t) => {
  const installation = await install({
    mediaPorts: 40,
    prepare: (directory) => mountDisk(join(directory, 'state', 'spool'), '256k'),
  });
  const calls = new NumberedCalls(installation);
  t.teardown(() => stopAll(installation, calls));
  const { paths } = installation.config;
  const status = () =>
    installation.ask<{ recording: number; spool: { isLow: boolean; refused: number } }>(
      'grec-mediad',
      'GET',
      '/status',
    );
  await calls.open(1);
  await installation.until('it is recorded', async () =>
    (await status()).recording === 1 ? true : undefined,
  );
  calls.speak();
  await calls.heard(50);
  t.ok((await status()).spool.isLow, 'told before it is full');
  spawnSync('dd', ['if=/dev/zero', `of=${join(paths.spool, 'filler')}`, 'bs=4k']);
  await installation.until('the disk refuses', async () =>
    (await status()).spool.refused > 0 ? true : undefined,
  );
  await calls.heard(100);
  for (const { to, sent } of calls.flows) {
    const { lost, duplicates } = to.media.receiver.count();
    t.strictSame([lost, duplicates], [0, 0], `all ${sent.length} are relayed`);
  }
  t.strictSame(calls.dropped, []);
  const mediad = installation.daemons.processes.get('grec-mediad');
  const began = calls.flows[0]?.sent[0] ?? 0;
  const lengthMs = performance.now() - began;
  mediad?.kill('SIGTERM');
  if (mediad !== undefined) await once(mediad, 'exit');
  calls.silence();
  await calls.hangUp();
  const [row] = await installation.recordings(1);
  t.match(row, { state: 'partial', reason: /could not write on.*\d+ packets could not be written/ });
  t.ok(
    Math.abs((row?.duration ?? 0) - lengthMs) < PACKET_MS * 25,
    `${row?.duration} ms, and ${lengthMs} ms were spoken until the media server ended`,
  );
  await installation.logged(/"alarm":"spool-space"/);
  await installation.logged(/"alarm":"spool-write"/);
});
