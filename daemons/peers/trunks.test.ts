// Trunks with real peers: failover, credentials, registration, health, and two switches that are each other's trunk.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLogger } from '../../src/log.ts';
import { createUserAgent, type IncomingInvite } from '../../src/sip/user-agent.ts';
import { createPhone } from '../../src/testing/phone.ts';
import { freePort, type Installation, install } from './installation.ts';
import { noSipp, runSipp } from './sipp.ts';

const [ONE, TWO, THREE] = ['127.0.0.11', '127.0.0.12', '127.0.0.13'] as const;

interface TrunkAnswer {
  name: string;
  hosts: { address: string; up: boolean }[];
  registration: { registered: boolean; expiresInS: number | null } | null;
}

async function phoneOf(t: Test, installation: Installation, number: string) {
  await installation.addDn(number, 'secret');
  const registrar = { ...installation.sip, protocol: 'udp' } as const;
  const log = silentLogger();
  const phone = await createPhone({ number, password: 'secret', registrar, listenHost: '127.0.0.1', log });
  t.teardown(() => phone.close());
  t.equal((await phone.register()).status, 200);
  return phone;
}

/** A carrier that follows a scenario for one call. */
function carrier(
  t: Test,
  installation: Installation,
  scenario: string,
  local: { host: string; port: number },
  words = {},
) {
  const run = runSipp({
    scenario,
    local,
    remote: installation.sip,
    calls: 1,
    words: { ms: '0', ...words },
    timeoutS: 30,
  });
  t.teardown(() => run.kill());
  return run.result;
}

const trunk = (name: string, host: string, port: number, more = '') =>
  `[[trunk]]\nname = "${name}"\nhost = "${host}:${port}"\n${more}`;

const passwordFile = (directory: string) => {
  writeFileSync(join(directory, 'secret'), 'hidden\n');
  chmodSync(join(directory, 'secret'), 0o600);
};
const ACCOUNT = 'username = "acc0unt"\npassword-file = "secret"\n';

t.test(
  'failover: 503, silence, then the one that answers; a refusal is final',
  { skip: noSipp, timeout: 90_000 },
  async (t) => {
    const [port, silent, good] = [await freePort(ONE), await freePort(TWO), await freePort(THREE)];
    const installation = await install({
      toml: [
        trunk('one', ONE, port),
        trunk('two', TWO, silent, 'timeout = 1\n'),
        trunk('three', THREE, good),
      ].join(''),
    });
    t.teardown(() => installation.stop());
    const phone = await phoneOf(t, installation, '7001');
    const failing = carrier(t, installation, 'refuses', { host: ONE, port }, { status: '503' });
    const answering = carrier(t, installation, 'plain-answer', { host: THREE, port: good });
    const call = await phone.call('+4930123');
    t.match(await call.outcome, { answered: true, status: 200 });
    await call.hangup();
    t.match(await failing, { code: 0, errors: '' });
    t.match(await answering, { code: 0, errors: '' });
    const { trunks } = await installation.ask<{ trunks: TrunkAnswer[] }>('grec-sipd', 'GET', '/trunks');
    t.same(
      trunks.map(({ hosts }) => hosts.map(({ up }) => up)),
      [[false], [false], [true]],
      'who let it down is passed over',
    );
    const busy = carrier(t, installation, 'refuses', { host: THREE, port: good }, { status: '486' });
    t.match(await (await phone.call('+4930123')).outcome, { answered: false, status: 486 });
    t.match(await busy, { code: 0, errors: '' });
  },
);

t.test('after early media nobody else is tried', { skip: noSipp, timeout: 90_000 }, async (t) => {
  const [one, two] = [await freePort(ONE), await freePort(TWO)];
  const installation = await install({ toml: trunk('one', ONE, one) + trunk('two', TWO, two) });
  t.teardown(() => installation.stop());
  const phone = await phoneOf(t, installation, '7001');
  const early = carrier(t, installation, 'early-then-503', { host: ONE, port: one });
  t.match(await (await phone.call('+4930123')).outcome, { answered: false, status: 503 });
  t.match(await early, { code: 0, errors: '' });
});

t.test(
  'credentials for a call, the number there, and numbers that are not allowed',
  { skip: noSipp, timeout: 90_000 },
  async (t) => {
    const port = await freePort(ONE);
    const toml = `${trunk('carrier', ONE, port, ACCOUNT)}domain = "carrier.example"\nfrom-number = "+4999"\nnumbers-out = "+49*"\n`;
    const installation = await install({ toml, prepare: passwordFile });
    t.teardown(() => installation.stop());
    const phone = await phoneOf(t, installation, '7001');
    t.match(await (await phone.call('0900123')).outcome, { answered: false, status: 403 });
    const words = { username: 'acc0unt', from: '.4999', number: '.4930123', domain: 'carrier.example' };
    const answering = carrier(t, installation, 'challenged-answer', { host: ONE, port }, words);
    const call = await phone.call('+4930123');
    t.match(await call.outcome, { answered: true });
    await call.hangup();
    t.match(await answering, { code: 0, errors: '' });
    t.notMatch(installation.log.join('\n'), /hidden/, 'the password is in no log');
  },
);

t.test(
  'registration: challenged, too short, granted, shown, taken back',
  { skip: noSipp, timeout: 90_000 },
  async (t) => {
    const port = await freePort(ONE);
    const more = `${ACCOUNT}domain = "carrier.example"\nregister = true\nregister-expires = 60\n`;
    const registrar = runSipp({
      scenario: 'registrar',
      local: { host: ONE, port },
      remote: { host: '127.0.0.1', port: 9 },
      calls: 1,
      words: { username: 'acc0unt', domain: 'carrier.example' },
      timeoutS: 40,
    });
    t.teardown(() => registrar.kill());
    const installation = await install({ toml: trunk('carrier', ONE, port, more), prepare: passwordFile });
    t.teardown(() => installation.stop());
    const granted = await installation.until('it is registered', async () => {
      const { trunks } = await installation.ask<{ trunks: TrunkAnswer[] }>('grec-sipd', 'GET', '/trunks');
      return trunks[0]?.registration?.expiresInS ?? undefined;
    });
    t.ok(granted > 1700 && granted <= 1800, `${granted} s`);
    await installation.stop();
    t.match(await registrar.result, { code: 0, errors: '' });
  },
);

t.test(
  'a call to what was registered comes from the trunk; a stranger reaches nothing',
  { timeout: 90_000 },
  async (t) => {
    const invites: IncomingInvite[] = [];
    let line = '';
    const provider = await createUserAgent({
      listen: [{ protocol: 'udp', host: ONE, port: 0 }],
      log: silentLogger(),
      product: 'provider',
      onInvite: (invite) => void invites.push(invite),
      onRequest: (request) => {
        const { contact } = request.message.headers;
        if (Array.isArray(contact)) line = contact[0]?.uri ?? '';
        request.respond(200, { headers: { contact: `<${line}>;expires=600` } });
      },
    });
    t.teardown(() => provider.close());
    const more = `${ACCOUNT}register = true\ninbound = ["registration"]\nnumbers-in = "+49*"\n`;
    const toml = trunk('carrier', ONE, provider.listening[0]?.port ?? 0, more);
    const installation = await install({ toml, prepare: passwordFile });
    t.teardown(() => installation.stop());
    await phoneOf(t, installation, '+49301');
    await phoneOf(t, installation, '7001');
    await installation.until('it is registered', async () => line || undefined);
    const sdp =
      'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n';
    const call = (uri: string, to: string) =>
      new Promise<number>((resolve) => {
        provider.invite({
          uri,
          from: { uri: 'sip:+491@provider.example' },
          to: { uri: `sip:${to}@provider.example` },
          peer: { protocol: 'udp', address: installation.sip.host, port: installation.sip.port },
          body: { type: 'application/sdp', bytes: sdp },
          onAccepted: ({ status }, dialog, ack) => {
            ack();
            void dialog.bye().then(() => resolve(status));
          },
          onRejected: ({ status }) => resolve(status),
        });
      });
    t.equal(await call(line, '+49301'), 200);
    t.equal(await call(line, '7001'), 403, 'none of its numbers');
    t.equal(await call(line, '+49302'), 404, 'and it reaches no trunk');
    const { host, port } = installation.sip;
    t.equal(
      await call(`sip:+49301@${host}:${port}`, '+49301'),
      401,
      'from its address, but not by what was registered',
    );
    t.equal(await call(`sip:${'0'.repeat(32)}@${host}:${port}`, '+49301'), 401, 'a guess');
    t.equal(await call(`sip:acc0unt@${host}:${port}`, '+49301'), 401);
  },
);

t.test(
  'health: a dead host is passed over before a call finds out',
  { skip: noSipp, timeout: 90_000 },
  async (t) => {
    const [dead, alive] = [await freePort(ONE), await freePort(TWO)];
    const host = `["${ONE}:${dead}", "${TWO}:${alive}"]`;
    const healthy = runSipp({
      scenario: 'healthy-but-refuses',
      local: { host: TWO, port: alive },
      remote: { host: '127.0.0.1', port: 9 },
      calls: 1000,
      words: { status: '480' },
      timeoutS: 60,
    });
    t.teardown(() => healthy.kill());
    const installation = await install({
      toml: `[[trunk]]\nname = "carrier"\nhost = ${host}\nqualify = 2\n`,
    });
    t.teardown(() => installation.stop());
    const phone = await phoneOf(t, installation, '7001');
    await installation.until('one is known to be dead, the other to be there', async () => {
      const { trunks } = await installation.ask<{ trunks: TrunkAnswer[] }>('grec-sipd', 'GET', '/trunks');
      const [first, second] = trunks[0]?.hosts ?? [];
      return (first?.up === false && second?.up === true) || undefined;
    });
    await installation.logged(/a host of a trunk does not answer/);
    // It is back by now, and would be the first to be asked.
    void carrier(t, installation, 'refuses', { host: ONE, port: dead }, { status: '486' });
    t.match(await (await phone.call('+4930123')).outcome, { status: 480 }, 'the living one has answered');
  },
);

t.test('two switches, each the trunk of the other, known by credentials', { timeout: 90_000 }, async (t) => {
  const [portA, portB] = [await freePort(), await freePort()];
  const account = 'username = "branch"\npassword-file = "secret"\ninbound = ["credentials"]\n';
  const toml = (name: string, port: number, numbers: string) =>
    `${trunk(name, '127.0.0.1', port, account)}numbers-in = "${numbers}"\n`;
  const a = await install({ port: portA, toml: toml('b', portB, '7*'), prepare: passwordFile });
  t.teardown(() => a.stop());
  const b = await install({ port: portB, toml: toml('a', portA, '8*'), prepare: passwordFile });
  t.teardown(() => b.stop());
  const [caller, callee] = [await phoneOf(t, a, '7001'), await phoneOf(t, b, '8001')];
  await phoneOf(t, b, '9001');
  const [call, taken] = [await caller.call('8001'), await callee.nextCall()];
  t.match(await call.outcome, { answered: true });
  t.match(taken.sessionId, /^[0-9a-f]{32}/);
  t.match(call.sessionId, taken.sessionId?.slice(0, 32) ?? 'none', 'one conversation');
  await call.hangup();
  await taken.ended;
  t.match(await (await caller.call('9001')).outcome, { answered: false, status: 403 }, 'not its number');
  const [back, answered] = [await callee.call('7001'), await caller.nextCall()];
  t.match(await back.outcome, { answered: true });
  await back.hangup();
  await answered.ended;
});
