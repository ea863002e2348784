// baresip as phone: registers with digest over UDP and TCP, calls, is recorded; who may not, is refused.
import { dirname, join } from 'node:path';
import t from 'tap';
import { noBaresip, startBaresip } from './baresip.ts';
import { freePort, type Installation, install, readChannels } from './installation.ts';
import { noSipp, runSipp } from './sipp.ts';
import { newTones, shareOf } from './tones.ts';

/** What each phone says: tones that no G.711 distortion takes for one another. */
const AGENT_HZ = 440;
const CUSTOMER_HZ = 1000;
const TALK_MS = 3000;

const tones = newTones();
const agentFile = tones.write('agent', AGENT_HZ);
const customerFile = tones.write('customer', CUSTOMER_HZ);
t.teardown(() => tones.remove());

/** @returns for how long they talked, in milliseconds: on a busy machine it is more than was meant */
async function talk(): Promise<number> {
  const began = performance.now();
  await new Promise((resolve) => setTimeout(resolve, TALK_MS));
  return performance.now() - began;
}

async function channelsOfOnly(installation: Installation) {
  const [row] = await installation.recordings(1);
  if (row?.path === undefined || row.path === null) throw new Error(`not recorded: ${row?.reason}`);
  return { row, channels: readChannels(join(installation.config.paths.archive, row.path, 'audio.wav')) };
}

t.test(
  'baresip over UDP calls baresip over TCP, which is recorded',
  { skip: noBaresip, timeout: 90_000 },
  async (t) => {
    const installation = await install();
    t.teardown(() => installation.stop());
    await installation.addDn('7001', 'agent-secret', { record: true, name: 'Älice "A"' });
    await installation.addDn('7002', 'secret');
    const phone = { registrar: installation.sip };
    const agent = await startBaresip({
      ...phone,
      number: '7001',
      password: 'agent-secret',
      transport: 'tcp',
      source: agentFile,
    });
    t.teardown(() => agent.quit());
    const customer = await startBaresip({
      ...phone,
      number: '7002',
      password: 'secret',
      transport: 'udp',
      source: customerFile,
    });
    t.teardown(() => customer.quit());
    await Promise.all([installation.registered('7001'), installation.registered('7002')]);
    customer.dial('7001');
    await Promise.all([agent.event('CALL_ESTABLISHED'), customer.event('CALL_ESTABLISHED')]);
    const talked = await talk();
    agent.hangUp();
    await customer.event('CALL_CLOSED');
    const { row, channels } = await channelsOfOnly(installation);
    const [left, right] = channels;
    t.match(row, { state: 'complete', caller: '7002', callee: '7001', dn: '7001', direction: 'internal' });
    t.ok(shareOf(AGENT_HZ, left) > 0.9, `left is the agent: ${shareOf(AGENT_HZ, left)}`);
    t.ok(shareOf(CUSTOMER_HZ, right) > 0.9, `right is the customer: ${shareOf(CUSTOMER_HZ, right)}`);
    t.ok(Math.abs(row.duration - talked) < 1000, `${row.duration} ms`);
  },
);

t.test(
  'baresip on TLS and IPv4 calls baresip on TLS and IPv6, which is recorded',
  { skip: noBaresip, timeout: 90_000 },
  async (t) => {
    const installation = await install({
      tls: true,
      alsoOn: ['::1'],
      mediad: 'address-ipv6 = "::1"',
    });
    t.teardown(() => installation.stop());
    await installation.addDn('7001', 'agent-secret', { record: true });
    await installation.addDn('7002', 'secret');
    const { configFile, sip, tls } = installation;
    const phone = {
      transport: 'tls',
      authority: join(dirname(configFile), 'ca.pem'),
    } as const;
    const agent = await startBaresip({
      ...phone,
      registrar: { host: '[::1]', port: tls.port },
      host: '::1',
      number: '7001',
      password: 'agent-secret',
      source: agentFile,
    });
    t.teardown(() => agent.quit());
    const customer = await startBaresip({
      ...phone,
      registrar: { ...sip, port: tls.port },
      number: '7002',
      password: 'secret',
      source: customerFile,
    });
    t.teardown(() => customer.quit());
    await Promise.all([installation.registered('7001'), installation.registered('7002')]);
    for (const number of ['7001', '7002']) {
      const dn = await installation.ask<{ registrations: object[] }>('grec-sipd', 'GET', `/dns/${number}`);
      t.match(dn.registrations, [{ transport: 'tls' }]);
    }
    customer.dial('7001');
    await Promise.all([agent.event('CALL_ESTABLISHED'), customer.event('CALL_ESTABLISHED')]);
    await talk();
    agent.hangUp();
    await customer.event('CALL_CLOSED');
    const { row, channels } = await channelsOfOnly(installation);
    t.match(row, { state: 'complete', caller: '7002', callee: '7001' });
    const [left, right] = channels;
    t.ok(shareOf(AGENT_HZ, left) > 0.9, `left is the agent: ${shareOf(AGENT_HZ, left)}`);
    t.ok(shareOf(CUSTOMER_HZ, right) > 0.9, `right is the customer: ${shareOf(CUSTOMER_HZ, right)}`);
  },
);

t.test('baresip calls sipp, which is recorded', { skip: noBaresip || noSipp, timeout: 90_000 }, async (t) => {
  const installation = await install();
  t.teardown(() => installation.stop());
  await installation.addDn('7001', 'secret', { record: true });
  await installation.addDn('7002', 'secret');
  const desk = { host: '127.0.0.3', port: await freePort('127.0.0.3') };
  const words = { number: '7001', password: 'secret', audio: customerFile };
  const remote = installation.sip;
  const registered = await runSipp({ scenario: 'register', local: desk, remote, calls: 1, words }).result;
  t.equal(registered.code, 0, registered.errors);
  const callee = runSipp({ scenario: 'uas', local: desk, remote, calls: 1, words });
  const caller = await startBaresip({
    number: '7002',
    password: 'secret',
    registrar: remote,
    transport: 'udp',
    source: customerFile,
  });
  t.teardown(() => caller.quit());
  await installation.registered('7002');
  caller.dial('7001');
  await caller.event('CALL_ESTABLISHED');
  await talk();
  caller.hangUp();
  const { code, errors } = await callee.result;
  t.equal(code, 0, errors);
  const { row, channels } = await channelsOfOnly(installation);
  t.match(row, { state: 'complete', caller: '7002', callee: '7001' });
  t.ok(
    shareOf(CUSTOMER_HZ, channels[1]) > 0.9,
    `right is the customer: ${shareOf(CUSTOMER_HZ, channels[1])}`,
  );
});

t.test('a wrong password registers nobody', { skip: noBaresip, timeout: 60_000 }, async (t) => {
  const installation = await install();
  t.teardown(() => installation.stop());
  await installation.addDn('7001', 'right');
  const phone = await startBaresip({
    number: '7001',
    password: 'guessed',
    registrar: installation.sip,
    transport: 'udp',
    source: agentFile,
  });
  t.teardown(() => phone.quit());
  await installation.until('the password is refused', async () => {
    const { counters } = await installation.ask<{ counters: Record<string, number> }>(
      'grec-sipd',
      'GET',
      '/status',
    );
    return (counters['auth-wrong'] ?? 0) > 0 ? true : undefined;
  });
  const dn = await installation.ask<{ registrations: unknown[] }>('grec-sipd', 'GET', '/dns/7001');
  t.same(dn.registrations, []);
  const line = await installation.logged(/"event":"auth-failed"/);
  t.match(line, /"address":"127\.0\.0\.1"/, 'the log tells where it came from');
  t.notMatch(installation.log.join('\n'), /guessed|response=/, 'and no secret');
});

t.test('a call from an unknown source is refused', { skip: noSipp, timeout: 60_000 }, async (t) => {
  const installation = await install();
  t.teardown(() => installation.stop());
  await installation.addDn('7001', 'secret');
  for (const transport of ['udp', 'tcp'] as const) {
    const local = { host: '127.0.0.9', port: await freePort('127.0.0.9') };
    const words = { number: '7001', caller: 'mallory' };
    const { code, errors } = await runSipp({
      scenario: 'stranger',
      local,
      remote: installation.sip,
      calls: 3,
      words,
      transport,
      timeoutS: 20,
    }).result;
    t.equal(code, 0, `${transport}: ${errors}`);
  }
  const { calls } = await installation.ask<{ calls: unknown[] }>('grec-sipd', 'GET', '/calls');
  t.same(calls, []);
});
