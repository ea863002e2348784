// Trunks: who calls from one, where calls go out by them, and what is wrong with how they are configured.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkConfig } from '../config.ts';
import { authorize } from '../sip/digest.ts';
import type { AuthHeader } from '../sip/message.ts';
import { FakeIncoming, fakeRequest } from '../testing/fake-user-agent.ts';
import { DnStore } from './dn-store.ts';
import { dialledBy, Identifier } from './identity.ts';
import { trunksConfig, trunksOf } from './trunk-fixture.ts';
import type { Trunks } from './trunks.ts';

const ACCOUNT = 'username = "acc0unt"\npassword-file = "secret"\n';

/** A directory with a password file that is closed to others. */
function directoryOf(t: Test, password = 'pass word\n'): string {
  const directory = t.testdir({ secret: password });
  chmodSync(join(directory, 'secret'), 0o640);
  return directory;
}

function identifierOf(t: Test, trunks: Trunks): Identifier {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  return new Identifier({ store, trunks, realm: 'grec', now: Date.now });
}

/** A call from `address`. */
function callFrom(
  address: string,
  { uri = 'sip:7001@h', to = 'sip:7001@h', authorization = [] as AuthHeader[] } = {},
) {
  const peer = { protocol: 'udp', address, port: 5060 } as const;
  const message = { ...fakeRequest('INVITE', '', { to: { name: undefined, uri: to, params: {} } }), uri };
  if (authorization.length > 0) message.headers.authorization = authorization;
  return Object.assign(new FakeIncoming(message), { flow: { id: 'f', peer, local: peer } });
}

t.test('a trunk is known by the addresses of its hosts; credentials come first', async (t) => {
  const trunks = trunksOf('[[trunk]]\nname = "carrier"\nhost = ["192.0.2.1", "[2001:db8::1]:5070"]\n');
  const identifier = identifierOf(t, trunks);
  for (const address of ['192.0.2.1', '2001:db8::1'])
    t.match(identifier.identifyCaller(callFrom(address)), { kind: 'trunk', trunk: { name: 'carrier' } });
  t.match(identifier.identifyCaller(callFrom('192.0.2.2')), { kind: 'refused', status: 401 });
  const authorization = [{ scheme: 'Digest', realm: '"grec"', username: '"7001"' }] as AuthHeader[];
  t.match(identifier.identifyCaller(callFrom('192.0.2.1', { authorization })), { kind: 'refused' });
  const elsewhere = [{ scheme: 'Digest', realm: '"another"', username: '"7001"' }] as AuthHeader[];
  t.match(
    identifier.identifyCaller(callFrom('192.0.2.1', { authorization: elsewhere })),
    { kind: 'trunk' },
    'credentials for others are none for us',
  );
});

t.test('a trunk may be known by credentials alone', async (t) => {
  const toml = `[[trunk]]\nname = "branch"\nhost = "192.0.2.1"\ninbound = ["credentials"]\n${ACCOUNT}`;
  const identifier = identifierOf(t, trunksOf(toml, directoryOf(t)));
  const attempt = (password: string, index: number) => {
    const first = identifier.identifyCaller(callFrom('192.0.2.9'));
    const challenge = first.kind === 'refused' ? first.challenges?.[index] : undefined;
    const credentials = { username: 'acc0unt', password };
    const asked = { challenge: challenge ?? { scheme: '' }, credentials, method: 'INVITE', cnonce: 'c' };
    const value = authorize({ ...asked, uri: 'sip:7001@h', nc: 1 }) ?? '';
    const fields = [...value.matchAll(/(\w+)=("[^"]*"|[^,\s]+)/g)].map(([, name = '', text = '']) => [
      name,
      text,
    ]);
    const authorization = [{ scheme: 'Digest', ...Object.fromEntries(fields) }] as AuthHeader[];
    return identifier.identifyCaller(callFrom('192.0.2.9', { authorization }));
  };
  t.match(identifier.identifyCaller(callFrom('192.0.2.1')), { kind: 'refused', status: 401 });
  t.match(attempt('pass word', 0), { kind: 'trunk', trunk: { name: 'branch' } }, 'SHA-256');
  t.match(attempt('pass word', 1), { kind: 'trunk' }, 'MD5');
  t.match(attempt('guess', 0), { kind: 'refused', guess: { user: 'acc0unt', reason: 'wrong' } });
});

t.test('who calls what we have registered comes from there, and says in To whom he wants', async (t) => {
  const toml = `[[trunk]]\nname = "carrier"\nhost = "192.0.2.1"\nregister = true\n${ACCOUNT}`;
  const directory = directoryOf(t);
  const trunks = trunksOf(toml, directory);
  const line = trunks.find('carrier')?.line ?? '';
  t.match(line, /^[0-9a-f]{32}$/);
  t.equal(trunksOf(toml, directory).find('carrier')?.line, line, 'the same after a restart');
  const identifier = identifierOf(t, trunks);
  const call = callFrom('198.51.100.7', {
    uri: `sip:${line}@192.0.2.200`,
    to: 'sip:+4930123@carrier.example',
  });
  const caller = identifier.identifyCaller(call);
  t.match(caller, { kind: 'trunk', trunk: { name: 'carrier' }, line });
  t.equal(dialledBy(call.message, caller), '+4930123');
  const direct = callFrom('192.0.2.1', { to: 'sip:other@h' });
  t.equal(dialledBy(direct.message, identifier.identifyCaller(direct)), '7001', 'from its address as ever');
  const stranger = callFrom('198.51.100.7', { uri: 'sip:acc0unt@192.0.2.200' });
  t.match(identifier.identifyCaller(stranger), { kind: 'refused', status: 401 }, 'the account is no secret');
});

t.test('a trunk that takes no calls', async (t) => {
  const identifier = identifierOf(t, trunksOf('[[trunk]]\nname = "out"\nhost = "192.0.2.1"\ninbound = []\n'));
  t.match(identifier.identifyCaller(callFrom('192.0.2.1')), { kind: 'refused', status: 401 });
});

t.test('a host that lets a call down is passed over while there are others', async (t) => {
  const trunks = trunksOf(`
    [[trunk]]
    name = "one"
    host = ["192.0.2.1", "192.0.2.2"]
    [[trunk]]
    name = "two"
    host = "192.0.2.3"
    numbers-out = "0*"
    domain = "two.example"
    from-number = "+4930"
    timeout = 2
  `);
  const addresses = (number: string, name?: string) =>
    trunks.placesOf(number, name).map(({ peer }) => peer.address);
  t.same(addresses('030'), ['192.0.2.1', '192.0.2.2', '192.0.2.3']);
  const fail = (index: number) => {
    const place = trunks.placesOf('030')[index];
    if (place?.kind === 'trunk') place.terms?.noteFailure(503);
  };
  fail(0);
  t.same(addresses('030'), ['192.0.2.2', '192.0.2.3']);
  t.same(addresses('110'), ['192.0.2.2']);
  fail(0);
  t.same(addresses('030', 'one'), ['192.0.2.1', '192.0.2.2'], 'rather than none');
  t.match(trunks.placesOf('030', 'two')[0], {
    uri: 'sip:030@two.example',
    terms: { from: 'sip:+4930@two.example', domain: 'two.example', patienceMs: 2000 },
  });
  t.match(trunks.status(), [{ hosts: [{ up: false }, { up: false }] }, { hosts: [{ up: true }] }]);
});

t.test('a password file that is open, empty, or missing', async (t) => {
  const toml = `[[trunk]]\nname = "carrier"\nhost = "192.0.2.1"\n${ACCOUNT}`;
  const directory = directoryOf(t);
  chmodSync(join(directory, 'secret'), 0o644);
  const open = { code: 'CONFIG_INVALID', message: /open to everybody/, hint: /chmod/ };
  t.throws(() => trunksOf(toml, directory), open);
  chmodSync(join(directory, 'secret'), 0o600);
  writeFileSync(join(directory, 'secret'), '\n');
  t.throws(() => trunksOf(toml, directory), { code: 'CONFIG_INVALID', message: /is empty/ });
  t.throws(() => trunksOf(toml), { code: 'CONFIG_INVALID', message: /cannot be read/ });
});

t.test(
  'after a reload trunks that have not changed are the same, and a mistake changes nothing',
  async (t) => {
    const one = '[[trunk]]\nname = "one"\nhost = "192.0.2.1"\n';
    const trunks = trunksOf(`${one}[[trunk]]\nname = "two"\nhost = "192.0.2.2"\n`);
    const before = trunks.find('one');
    trunks.reload(trunksConfig(`${one}[[trunk]]\nname = "two"\nhost = "192.0.2.3"\n`));
    t.equal(trunks.find('one'), before);
    t.match(trunks.placesOf('1', 'two'), [{ peer: { address: '192.0.2.3' } }]);
    const wrong = trunksConfig(`${one}numbers-in = "20-1"\n`);
    t.throws(() => trunks.reload(wrong), {
      code: 'CONFIG_INVALID',
      message: /trunk one: numbers-in: "20-1"/,
    });
    t.same(trunks.names, ['one', 'two']);
  },
);

t.test('mistakes in the configuration, each with its line', async (t) => {
  const problems = (toml: string) =>
    checkConfig(`[[trunk]]\nname = "a"\nhost = "192.0.2.1"\n${toml}`).problems.map(
      ({ line, key, message }) => `${line} ${key}: ${message}`,
    );
  t.match(problems('[[trunk]]\nname = "a"\nhost = "192.0.2.2"'), [
    '5 trunk[1].name: another trunk has this name: a',
  ]);
  t.match(problems('host2 = 1'), [/4 trunk\[0\].host2: unknown key/]);
  t.match(problems('username = "u"'), ['4 trunk[0].username: expected a password-file beside it']);
  t.match(problems('password-file = "f"'), [/4 trunk\[0\].password-file: expected a username/]);
  t.match(problems('register = true'), [/4 trunk\[0\].register: expected a username/]);
  t.match(problems('inbound = ["registration"]'), [/inbound: expected register = true/]);
  t.match(problems('inbound = ["credentials"]'), [/inbound: expected a username/]);
  t.match(problems('inbound = ["hearsay"]'), [/inbound\[0\]: expected one of "address"/]);
  t.match(problems('numbers-out = ["+49*", "a b"]'), [/numbers-out\[1\]: expected a pattern of numbers/]);
  t.match(problems('numbers-out = []'), [/numbers-out: expected a pattern of numbers/]);
  t.match(problems('username = "a b"\npassword-file = "f"'), [/username: expected a user name/]);
  t.match(problems('domain = "a/b"'), [/domain: expected the name of a domain/]);
  const host = (value: string) => checkConfig(`[[trunk]]\nname = "a"\nhost = ${value}`).problems.length;
  t.same(['"192.0.2.1:5070"', '"[::1]:5070"', '"::1"', '["192.0.2.1"]'].map(host), [0, 0, 0, 0]);
  for (const wrong of ['"192.0.2.1:0"', '"carrier.example"', '[]', '1', '"192.0.2.1:70000"'])
    t.equal(host(wrong), 1, wrong);
});

t.test('on TLS a trunk shows the name of its domain, unless another one is said', async (t) => {
  const listening = '[sip]\nlisten = ["tls:192.0.2.9:5061"]\ntls = { certificate = "c", key = "k" }\n';
  const peer = (more: string) =>
    trunksOf(`${listening}[[trunk]]\nname = "t"\nhost = "192.0.2.1"\ntransport = "tls"\n${more}`).placesOf(
      '1',
    )[0]?.peer;
  t.same(peer(''), { protocol: 'tls', address: '192.0.2.1', port: 5061 });
  t.match(peer('domain = "sip.example"'), { name: 'sip.example' });
  t.match(peer('domain = "sip.example"\ntls-name = "edge.example"'), { name: 'edge.example' });
});

t.test('the connections of a trunk are its own, however its calls are known', async (t) => {
  const trunks = trunksOf('[[trunk]]\nname = "out"\nhost = "192.0.2.1"\ninbound = []\n');
  t.equal(trunks.hasHost('192.0.2.1'), true);
  t.equal(trunks.hasHost('192.0.2.2'), false);
  t.equal(trunks.byAddress('192.0.2.1'), undefined);
});
