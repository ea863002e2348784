// The demonstration's state: fresh, on free ports, never over anything that is there.
import { createSocket } from 'node:dgram';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { prepareState } from './demo-state.ts';

t.test('the configuration is valid, its state beside it, its ports apart from one another', async (t) => {
  const keep = join(t.testdir(), 'new', 'state');
  const { directory, config, configFile } = await prepareState(keep);
  t.equal(directory, keep);
  t.equal(configFile, join(keep, 'grec.toml'));
  t.equal(config.paths.state, keep);
  t.same(config.media.server, [config.mediad.ng]);
  t.same(
    config.sip.listen.map(({ protocol }) => protocol),
    ['udp', 'tcp'],
  );
  const sip = config.sip.listen[0]?.port ?? 0;
  const { first, last } = config.mediad.ports;
  t.equal(new Set([sip, config.mediad.ng.port, first]).size, 3);
  t.ok(sip < first || sip > last);
  t.ok(config.mediad.ng.port < first || config.mediad.ng.port > last);
  t.equal(first % 2, 0);
});

t.test('its ports can be bound', async (t) => {
  const { config } = await prepareState(t.testdir());
  const { first, last } = config.mediad.ports;
  for (const port of [config.sip.listen[0]?.port ?? 0, config.mediad.ng.port, first, last]) {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.bind(port, '127.0.0.1', resolve);
    });
    socket.close();
  }
});

t.test('without --keep it is a new temporary directory each time', async (t) => {
  const [one, other] = [await prepareState(undefined), await prepareState(undefined)];
  t.teardown(() => {
    for (const { directory } of [one, other]) rmSync(directory, { recursive: true });
  });
  t.not(one.directory, other.directory);
  t.ok(existsSync(one.configFile) && existsSync(other.configFile));
});

t.test('a directory with something in it is refused and left alone', async (t) => {
  const keep = t.testdir({ 'notes.txt': 'mine' });
  await t.rejects(prepareState(keep), { code: 'FILE_EXISTS' });
  t.notOk(existsSync(join(keep, 'grec.toml')));
});

t.test('a path that cannot be a directory is explained', async (t) => {
  const keep = join(t.testdir({ file: 'text' }), 'file');
  await t.rejects(prepareState(keep), { code: 'STATE_UNUSABLE', hint: /--keep/ });
});
