// The operator's program and address: what they get, how it is signed, and what counts as taken.
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Alarm } from './alarm.ts';
import { tellCommand, tellWebhook } from './targets.ts';

const alarm: Alarm = {
  id: '019aa000-0000-7000-8000-000000000001',
  time: '2026-01-31T09:05:07.250Z',
  host: 'here',
  daemon: 'grec-mediad',
  severity: 'error',
  alarm: 'spool-space',
  message: 'the disk of the spool is nearly full: $(touch pwned) `x` "y"',
  facts: { freeMb: 12 },
  repeated: 0,
};

function script(t: Test, text: string): { program: string; folder: string } {
  const folder = t.testdir({ hook: `#!/bin/sh\n${text}\n` });
  const program = join(folder, 'hook');
  chmodSync(program, 0o755);
  return { program, folder };
}

t.test('a program gets one line of JSON, and its arguments, and no shell looks at either', async (t) => {
  const { program, folder } = script(t, `cd "$(dirname "$0")"; cat > got; printf %s "$1" > argument`);
  await tellCommand([program, '$HOME; x'])(alarm);
  t.same(JSON.parse(readFileSync(join(folder, 'got'), 'utf8')), alarm);
  t.equal(readFileSync(join(folder, 'argument'), 'utf8'), '$HOME; x');
  t.notOk(existsSync(join(folder, 'pwned')));
});

t.test('a program that fails, is missing, hangs or reads nothing', async (t) => {
  const failing = script(t, 'echo "no line" >&2; exit 3').program;
  await t.rejects(tellCommand([failing])(alarm), { message: /ended with 3: no line$/ });
  await t.rejects(tellCommand(['/nowhere/hook'])(alarm), { message: /cannot be run/ });
  const hanging = script(t, 'exec sleep 60').program;
  await t.rejects(tellCommand([hanging], 100)(alarm), { message: /ended with SIGKILL/ });
  await tellCommand(['/bin/true'])({ ...alarm, message: 'x'.repeat(1_000_000) });
});

/** A web server that answers with a status. */
async function web(t: Test, status: number, isSilent = false) {
  const got: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    got.push({ headers: request.headers, body });
    if (isSilent) return;
    response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end('body');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, got };
}

t.test('an address gets it as JSON, signed with the secret of the moment', async (t) => {
  const { address, got } = await web(t, 204);
  const secret = join(t.testdir({ secret: 'first\n' }), 'secret');
  const tell = tellWebhook(address, secret);
  await tell(alarm);
  writeFileSync(secret, 'second');
  await tell(alarm);
  for (const [index, key] of ['first', 'second'].entries()) {
    const { headers, body } = got[index] ?? { headers: {}, body: '' };
    t.same(JSON.parse(body), alarm);
    t.match(headers, { 'content-type': 'application/json', 'grec-alarm': alarm.id });
    const [, time, hex] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['grec-signature'])) ?? [];
    t.equal(hex, createHmac('sha256', key).update(`${time}.${body}`).digest('hex'));
    t.ok(Math.abs(Number(time) - Date.now() / 1000) < 60);
  }
});

t.test(
  'without a secret it is not signed; what is not 2xx is not taken, and nobody is followed elsewhere',
  async (t) => {
    const fine = await web(t, 200);
    await tellWebhook(fine.address, undefined)(alarm);
    t.equal(fine.got[0]?.headers['grec-signature'], undefined);
    for (const status of [302, 404, 500]) {
      const { address, got } = await web(t, status);
      await t.rejects(tellWebhook(address, undefined)(alarm));
      t.equal(got.length, 1);
    }
  },
);

t.test('an address that is silent or not there, and a secret that cannot be read', async (t) => {
  const { address } = await web(t, 200, true);
  await t.rejects(tellWebhook(address, undefined, 100)(alarm), { message: /time/i });
  await t.rejects(tellWebhook('http://127.0.0.1:1/', undefined)(alarm), { message: /ECONNREFUSED|bad port/ });
  await t.rejects(tellWebhook(address, join(t.testdir({}), 'none'))(alarm), {
    message: /secret of the webhook cannot be read/,
  });
  await t.rejects(tellWebhook(address, join(t.testdir({ empty: '\n' }), 'empty'))(alarm), {
    message: /is empty/,
  });
});
