// Bytes without a length on a control socket: they come whole, a refusal stays one, and nobody who reads means nobody who asks.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ControlBytes, type ControlRoutes, openDaemonBytes, serveControl } from './control.ts';
import { GrecError } from './errors.ts';

async function serve(t: Test, routes: ControlRoutes): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-bytes-'));
  const path = join(directory, 's.sock');
  const server = await serveControl(path, routes);
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  });
  return path;
}

const get = (path: string, route: string) => openDaemonBytes('grec-test', path, route);

t.test('bytes come as they are', async (t) => {
  const path = await serve(t, {
    'GET /bytes': () =>
      new ControlBytes('audio/wav', async function* () {
        yield Buffer.from([0, 1, 255]);
        yield Buffer.from('the end');
      }),
  });
  const incoming = await get(path, '/bytes');
  t.equal(incoming.headers['content-type'], 'audio/wav');
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  t.same(Buffer.concat(chunks), Buffer.concat([Buffer.from([0, 1, 255]), Buffer.from('the end')]));
});

t.test('a refusal is the error that it was', async (t) => {
  const path = await serve(t, {
    'GET /bytes': () => {
      throw new GrecError('CALL_UNKNOWN', 'no such call', { hint: 'look' });
    },
  });
  await t.rejects(get(path, '/bytes'), { code: 'CALL_UNKNOWN', message: 'no such call', hint: 'look' });
  await t.rejects(get(`${path}.gone`, '/bytes'), { code: 'DAEMON_NOT_RUNNING' });
});

t.test('a source that fails breaks the stream off', async (t) => {
  const read = Promise.withResolvers<void>();
  const path = await serve(t, {
    'GET /bytes': () =>
      new ControlBytes('audio/wav', async function* () {
        yield Buffer.from('begun');
        await read.promise;
        throw new Error('the disk is gone');
      }),
  });
  const incoming = await get(path, '/bytes');
  incoming.once('data', () => read.resolve());
  await t.rejects(once(incoming, 'end'), { code: 'ECONNRESET' });
});

t.test('a reader that stops holds up its source, and one that goes ends it', async (t) => {
  let asked = 0;
  const ended = Promise.withResolvers<void>();
  const path = await serve(t, {
    'GET /bytes': () =>
      new ControlBytes('audio/wav', async function* () {
        try {
          for (;;) {
            asked += 1;
            yield Buffer.alloc(1 << 16);
          }
        } finally {
          ended.resolve();
        }
      }),
  });
  const incoming = await get(path, '/bytes');
  await once(incoming, 'readable');
  let before = -1;
  while (before !== asked) {
    before = asked;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.ok(asked < 200, `${asked} times asked`);
  incoming.destroy();
  await ended.promise;
  t.pass('the source has ended');
});
