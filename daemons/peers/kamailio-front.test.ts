// Phones behind Kamailio: it stands in front of the switch, records itself in every route, and calls to the phones go back through it.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLogger } from '../../src/log.ts';
import type { Protocol } from '../../src/sip/user-agent.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { createPhone, type Phone, type PhoneCall } from '../../src/testing/phone.ts';
import { freePort, install, readChannels } from './installation.ts';
import { type Kamailio, noKamailio, startKamailio } from './kamailio.ts';
import { noise } from './noise.ts';
import { noSipp, runSipp } from './sipp.ts';

/** Each with an address of its own, so that who is taken for another is not reached by chance. */
const [EDGE, CORE, PHONES, LOOP] = ['127.0.0.21', '127.0.0.22', '127.0.0.23', '127.0.0.24'] as const;

const installation = await install({ tls: true });
t.teardown(() => installation.stop());
t.jobs = 4;
const options = { skip: noKamailio, timeout: 60_000 };

interface Front {
  transport?: 'udp' | 'tcp' | 'tls';
  path?: boolean;
  strict?: boolean;
}

/** A Kamailio at `host`; `inside` is the next one on the way to the switch, or the switch. */
async function newFront(
  t: Test,
  host: string,
  inside: { host: string; port: number },
  { transport = 'udp', path = false, strict = false }: Front,
): Promise<Kamailio> {
  const kamailio = await startKamailio({
    configuration: 'front',
    host,
    ...(transport === 'tls' ? { authority: installation.tls.authority } : {}),
    words: {
      insideHost: inside.host,
      insidePort: `${transport === 'tls' ? installation.tls.port : inside.port}`,
      insideTransport: transport,
      path: path ? '1' : '0',
      strict: strict ? '1' : '0',
    },
  });
  t.teardown(() => kamailio.stop());
  return kamailio;
}

let numbers = 7600;

async function newPhone(t: Test, proxy: Kamailio, protocol: Protocol, record = false): Promise<Phone> {
  const number = `${numbers++}`;
  await installation.addDn(number, `secret-${number}`, { record });
  const phone = await createPhone({
    number,
    password: `secret-${number}`,
    registrar: {
      host: proxy.host,
      port: (protocol === 'tls' ? proxy.tlsPort : undefined) ?? proxy.port,
      protocol,
    },
    tls: {
      ...installation.tls.authority.issue({ names: [PHONES] }),
      ca: installation.tls.authority.certificate,
      verifyClients: false,
      verifyServers: true,
    },
    listenHost: PHONES,
    log: silentLogger(),
  });
  t.teardown(() => phone.close());
  t.equal((await phone.register()).status, 200, `${number} registers through Kamailio`);
  return phone;
}

async function connected(caller: Phone, callee: Phone): Promise<[PhoneCall, PhoneCall]> {
  const out = await caller.call(callee.number);
  const into = await Promise.race([
    callee.nextCall(),
    out.outcome.then(({ status }) => Promise.reject(status)),
  ]);
  await Promise.all([out.outcome, into.outcome]);
  return [out, into];
}

/** Resolves when so many requests of one dialog have passed through it. What it prints comes in a little later. */
const passed = (kamailio: Kamailio, { callId }: PhoneCall, counts: Record<string, number>) =>
  installation.until(`${JSON.stringify(counts)} of ${callId} have passed`, async () => {
    const count = (method: string) =>
      kamailio.passed.filter((request) => request.callId === callId && request.method === method).length;
    return Object.entries(counts).every(([method, least]) => count(method) >= least) ? true : undefined;
  });

/** A call with a hold from either side, hung up by one of them; every request of it passes through all the proxies. */
async function talk(t: Test, caller: Phone, callee: Phone, by: 'caller' | 'callee', proxies: Kamailio[]) {
  const [out, into] = await connected(caller, callee);
  const sent = { caller: noise(`${caller.number} caller`), callee: noise(`${caller.number} callee`) };
  await Promise.all([out.speak(sent.caller), into.speak(sent.callee)]);
  for (const call of [out, into]) {
    t.equal(await call.hold(), 200);
    t.equal(await call.retrieve(), 200);
  }
  const [last, other] = by === 'caller' ? [out, into] : [into, out];
  await last.hangup();
  t.match(await other.ended, { by: 'remote' });
  for (const call of [out, into])
    for (const kamailio of proxies) {
      // The INVITE, with a challenge or without one, and the re-INVITEs of the holds, there and back.
      await passed(kamailio, call, { BYE: 1, INVITE: 5, ACK: 5 });
      t.pass(`all of ${call.direction} has passed through ${kamailio.host}`);
    }
  return sent;
}

async function recordedExactly(t: Test, agent: string, left: Uint8Array, right: Uint8Array): Promise<void> {
  const { path, state } = await installation.until(`${agent} is recorded`, async () =>
    (await installation.recordings(0)).find(({ dn }) => dn === agent),
  );
  t.equal(state, 'complete');
  const channels = readChannels(join(installation.config.paths.archive, path ?? 'missing', 'audio.wav'));
  t.match(findAudio(channels[0], toLinear(left)), { exact: true }, 'left is the agent');
  t.match(findAudio(channels[1], toLinear(right)), { exact: true }, 'right is the customer');
}

interface Registered {
  registrations: { contact: string; address: string; path: string | null }[];
}

const dnOf = (number: string) => installation.ask<Registered>('grec-sipd', 'GET', `/dns/${number}`);

for (const [what, front, phones] of [
  ['without Path: the source of its REGISTER is where a phone is called', {}, 'udp'],
  ['with Path', { path: true }, 'udp'],
  ['phones on TCP, the switch on UDP', { path: true }, 'tcp'],
  ['phones on UDP, the switch on TCP', { path: true, transport: 'tcp' }, 'udp'],
  ['phones on UDP, the switch on TLS', { path: true, transport: 'tls' }, 'udp'],
  ['phones and the switch on TLS', { path: true, transport: 'tls' }, 'tls'],
  ['a strict router', { strict: true }, 'udp'],
] as const)
  t.test(what, options, async (t) => {
    const edge = await newFront(t, EDGE, installation.sip, front);
    const agent = await newPhone(t, edge, phones, true);
    const customer = await newPhone(t, edge, phones);
    const own = `${EDGE}:(${edge.port}|${edge.tlsPort})`;
    const path = 'path' in front ? new RegExp(`^<sip:${own}(;transport=(tcp|tls))?;lr>$`) : null;
    const { registrations } = await dnOf(agent.number);
    t.match(registrations, [{ contact: agent.contact, address: new RegExp(`^${EDGE}:`), path }]);
    const first = await talk(t, customer, agent, 'callee', [edge]);
    await recordedExactly(t, agent.number, first.callee, first.caller);
    await talk(t, agent, customer, 'callee', [edge]);
    await talk(t, agent, customer, 'caller', [edge]);
  });

t.test('two proxies, one behind the other', options, async (t) => {
  const core = await newFront(t, CORE, installation.sip, { path: true });
  const edge = await newFront(t, EDGE, core, { path: true });
  const agent = await newPhone(t, edge, 'udp', true);
  const customer = await newPhone(t, edge, 'udp');
  const first = await talk(t, customer, agent, 'caller', [edge, core]);
  await recordedExactly(t, agent.number, first.callee, first.caller);
  await talk(t, agent, customer, 'callee', [edge, core]);
});

t.test(
  'a phone whose Contact is the switch itself: the call that comes back is a loop',
  { ...options, skip: noKamailio || noSipp },
  async (t) => {
    const site = await install({ toml: `[[trunk]]\nname = "edge"\nhost = "${LOOP}"\n` });
    t.teardown(() => site.stop());
    const edge = await newFront(t, LOOP, site.sip, { path: true });
    for (const number of ['7001', '7482']) await site.addDn(number, 'secret');
    const contact = `sip:7482@${site.sip.host}:${site.sip.port}`;
    const words = { number: '7482', password: 'secret', contact };
    const local = { host: PHONES, port: await freePort(PHONES) };
    const registered = runSipp({ scenario: 'register-elsewhere', local, remote: edge, calls: 1, words });
    t.equal((await registered.result).code, 0);
    const registrar = { ...site.sip, protocol: 'udp' } as const;
    const log = silentLogger();
    const caller = await createPhone({
      number: '7001',
      password: 'secret',
      registrar,
      listenHost: PHONES,
      log,
    });
    t.teardown(() => caller.close());
    const call = await caller.call('7482');
    t.match(await call.outcome, { answered: false, status: 482 });
    t.match(await site.ask('grec-sipd', 'GET', '/status'), { counters: { 'refused-loop': 1, calls: 1 } });
    const around = edge.passed.filter(({ method, uri }) => method === 'INVITE' && uri === contact);
    t.equal(around.length, 1, 'it went around once');
  },
);
