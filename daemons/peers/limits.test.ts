// Limits: who comes beyond them is told when to come again, and the calls that are up do not suffer.
import { Agent, get } from 'node:http';
import t, { type Test } from 'tap';
import { socketOf } from '../../src/control.ts';
import { silentLogger } from '../../src/log.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import { createUserAgent } from '../../src/sip/user-agent.ts';
import { createPhone } from '../../src/testing/phone.ts';
import { freePort, type Installation, install } from './installation.ts';
import { openParty } from './party.ts';
import { noSipp, runSipp } from './sipp.ts';

const TRUNK = '127.0.0.2';
const TRUNK_TABLE = `[[trunk]]\nname = "carrier"\nhost = "${TRUNK}"\n`;

async function phoneOf(t: Test, installation: Installation, number: string) {
  await installation.addDn(number, 'secret');
  const registrar = { ...installation.sip, protocol: 'udp' } as const;
  const log = silentLogger();
  const phone = await createPhone({ number, password: 'secret', registrar, listenHost: '127.0.0.1', log });
  t.teardown(() => phone.close());
  t.equal((await phone.register()).status, 200);
  return phone;
}

async function refused(installation: Installation) {
  const run = runSipp({
    scenario: 'refused-503',
    local: { host: TRUNK, port: await freePort(TRUNK) },
    remote: installation.sip,
    calls: 1,
    words: { number: '7001', caller: '+4930123' },
    timeoutS: 20,
  });
  return run.result;
}

async function status(installation: Installation) {
  return installation.ask<{ overloaded: boolean; counters: Record<string, number> }>(
    'grec-sipd',
    'GET',
    '/status',
  );
}

/** Asks for all numbers again and again, several times at once, and looks at no answer: whoever answers has always more to do. */
function listWithoutEnd(socketPath: string): () => void {
  const agent = new Agent({ keepAlive: true });
  let isOver = false;
  const ask = () => {
    if (isOver) return;
    const request = get({ socketPath, path: '/dns', agent }, (response) =>
      response.resume().once('end', ask),
    );
    request.on('error', () => undefined);
  };
  for (let count = 0; count < 8; count += 1) ask();
  return () => {
    isOver = true;
    agent.destroy();
  };
}

t.test('more calls than allowed, and faster than allowed', { skip: noSipp, timeout: 60_000 }, async (t) => {
  const toml = `[sip.limits]\ncalls = 2\n${TRUNK_TABLE}calls-per-second = 2\n`;
  const installation = await install({ toml });
  t.teardown(() => installation.stop());
  const [caller, agent] = [await phoneOf(t, installation, '7009'), await phoneOf(t, installation, '7001')];
  const calls = [];
  for (let count = 0; count < 2; count++) {
    const [call, taken] = [await caller.call('7001'), await agent.nextCall()];
    t.match(await call.outcome, { answered: true });
    calls.push({ call, taken });
  }
  t.match(await refused(installation), { code: 0, errors: '' }, 'the third one');
  t.equal((await status(installation)).counters['refused-busy'], 1);
  for (const { call, taken } of calls) {
    await call.hangup();
    await taken.ended;
  }
  const carrier = await createUserAgent({
    listen: [{ protocol: 'udp', host: TRUNK, port: 0 }],
    log: silentLogger(),
    product: 'carrier',
    onInvite: () => undefined,
    onRequest: () => undefined,
  });
  t.teardown(() => carrier.close());
  const uri = `sip:7999@${installation.sip.host}:${installation.sip.port}`;
  const attempt = () =>
    new Promise<SipResponse>((resolve) => {
      const onAccepted = () => undefined;
      carrier.invite({ uri, from: { uri }, to: { uri }, onAccepted, onRejected: resolve });
    });
  const statuses = new Set<number>();
  await installation.until('a call is refused', async () => {
    for (const { status, headers } of await Promise.all([1, 2, 3, 4].map(attempt))) {
      statuses.add(status);
      if (status === 503) t.equal(headers['retry-after'], '1');
    }
    return statuses.has(503) || undefined;
  });
  t.ok(statuses.has(404), 'the first ones were looked at');
  t.ok(((await status(installation)).counters['refused-rate'] ?? 0) > 0);
});

t.test('a message that is too large, and a DN that is too fast', { timeout: 60_000 }, async (t) => {
  const installation = await install({ toml: '[sip.limits]\nmessage-size = 4096\ncalls-per-second = 1\n' });
  t.teardown(() => installation.stop());
  const party = await openParty(installation, '7001');
  t.teardown(() => party.close());
  const uri = `sip:${installation.sip.host}:${installation.sip.port}`;
  const request = { method: 'OPTIONS', uri, from: { uri }, to: { uri } };
  t.equal((await party.agent.request(request)).status, 200);
  t.equal((await party.agent.request({ ...request, headers: { subject: 'x'.repeat(4096) } })).status, 513);
  const statuses = new Set<number>();
  await installation.until('a call is refused', async () => {
    statuses.add((await party.call('7999')).response.status);
    return statuses.has(503) || undefined;
  });
  t.ok(statuses.has(404), 'the first one was looked at');
});

t.test(
  'too busy: new calls wait, the call that is up goes on',
  { skip: noSipp, timeout: 60_000 },
  async (t) => {
    const installation = await install({ toml: `[sip.limits]\noverload = 50\n${TRUNK_TABLE}` });
    t.teardown(() => installation.stop());
    const [caller, agent] = [await phoneOf(t, installation, '7009'), await phoneOf(t, installation, '7001')];
    const [call, taken] = [await caller.call('7001'), await agent.nextCall()];
    t.match(await call.outcome, { answered: true });
    // An operator's script that lists many numbers again and again: work that takes the daemon's time, and no datagrams.
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => installation.addDn(`${2000 + index}`, 'secret')),
    );
    const endListing = listWithoutEnd(socketOf(installation.config, 'grec-sipd'));
    try {
      await installation.until(
        'it is too busy',
        async () => (await status(installation)).overloaded || undefined,
      );
      t.match(await refused(installation), { code: 0, errors: '' });
      await call.hangup();
      await taken.ended;
    } finally {
      endListing();
    }
    await installation.until(
      'it has time again',
      async () => !(await status(installation)).overloaded || undefined,
    );
    t.match(await (await caller.call('7001')).outcome, { answered: true });
    await installation.logged(/"alarm":"overload"/);
  },
);
