// REGISTER: contacts come, go, expire, and are listed; only for who proved to be the DN.
import { join } from 'node:path';
import t from 'tap';
import { authorize, ha1 } from '../sip/digest.ts';
import type { AuthHeader } from '../sip/message.ts';
import type { Peer, ResponseOptions } from '../sip/user-agent.ts';
import { FakeIncoming, fakeRequest } from '../testing/fake-user-agent.ts';
import { DnStore } from './dn-store.ts';
import { Identifier, type Identity } from './identity.ts';
import { register } from './registrar.ts';
import { trunksOf } from './trunk-fixture.ts';

const CONTACT = 'sip:7001@127.0.0.1:5070';

class Asking extends FakeIncoming {
  status = 0;
  options: ResponseOptions = {};
  override respond(status: number, options: ResponseOptions = {}): void {
    this.status = status;
    this.options = options;
  }
}

function asking(contact: unknown, headers: Record<string, unknown> = {}): Asking {
  const request = new Asking(
    fakeRequest('REGISTER', '', { cseq: { seq: 1, method: 'REGISTER' }, ...headers }),
  );
  if (contact !== undefined) request.message.headers.contact = contact as never;
  return request;
}
const contactOf = (uri: string, expires?: string) => [
  { name: undefined, uri, params: { ...(expires && { expires }) } },
];

function open(
  t: { testdir(): string; teardown(step: () => void): void },
  onTrouble?: (reason: string | undefined) => void,
) {
  const file = join(t.testdir(), 'switch.db');
  const store = new DnStore(file, onTrouble);
  t.teardown(() => store.close());
  store.saveDn({
    number: '7001',
    name: null,
    record: true,
    ha1: ha1('7001', 'grec', 'secret'),
    realm: 'grec',
  });
  let now = 1_000_000;
  const options = { store, maxExpires: 3600, mostContacts: 10, mostRegistrations: 12, now: () => now };
  const send = (request: Asking) => {
    register(request, '7001', options);
    return request;
  };
  return { store, send, file, later: (ms: number) => (now += ms), now: () => now };
}

t.test('a contact is kept where its REGISTER came from, and listed', async (t) => {
  const { store, send, now } = open(t);
  const { status, options } = send(asking(contactOf(CONTACT), { expires: 600 }));
  t.equal(status, 200);
  t.equal(options.headers?.contact, `<${CONTACT}>;expires=600`);
  t.match(store.registrations('7001', now()), [
    { contact: CONTACT, address: '127.0.0.1', port: 5070, protocol: 'udp' },
  ]);
});

t.test('a contact that one REGISTER names twice is one, and holds up nobody', async (t) => {
  const trouble: (string | undefined)[] = [];
  const { store, send, now, file } = open(t, (reason) => void trouble.push(reason));
  const twice = [...contactOf(CONTACT, '600'), ...contactOf(CONTACT, '300')];
  const { status, options } = send(asking(twice));
  t.equal(status, 200);
  t.equal(options.headers?.contact, `<${CONTACT}>;expires=300`, 'the last word counts');
  t.same(trouble, [], 'the disk is not at fault');
  t.equal(store.registrations('7001', now()).length, 1);
  const again = new DnStore(file);
  t.equal(again.registrations('7001', now()).length, 1, 'it is in the database');
  again.close();
});

t.test(
  'the proxies through which a phone registered are kept, told, and forgotten with the next way',
  async (t) => {
    const { store, send, now } = open(t);
    const path = '<sip:192.0.2.1;lr>, <sip:192.0.2.2;lr>';
    const { status, options } = send(asking(contactOf(CONTACT), { path }));
    t.match({ status, options }, { status: 200, options: { headers: { path } } });
    t.match(store.registrations('7001', now()), [{ contact: CONTACT, path }]);
    const wrong = send(asking(contactOf(CONTACT), { 'call-id': 'second', path: '<sip:192.0.2.1>' }));
    t.match({ status: wrong.status, options: wrong.options }, { status: 400, options: { reason: /Path/ } });
    t.match(store.registrations('7001', now()), [{ path }], 'nothing has changed');
    const direct = send(asking(contactOf(CONTACT), { 'call-id': 'third' }));
    t.equal(direct.options.headers?.path, undefined);
    t.equal(store.registrations('7001', now())[0]?.path, null);
  },
);

t.test('it ends when its time is over, and when the phone says so', async (t) => {
  const { store, send, later, now } = open(t);
  send(asking(contactOf(CONTACT, '60')));
  later(60_001);
  t.equal(store.registrations('7001', now()).length, 0);
  send(asking(contactOf(CONTACT, '60'), { 'call-id': 'second' }));
  t.equal(store.registrations('7001', now()).length, 1);
  t.equal(send(asking(contactOf(CONTACT, '0'), { 'call-id': 'third' })).status, 200);
  t.equal(store.registrations('7001', now()).length, 0);
});

t.test('a longer life than allowed is shortened, a shorter one refused', async (t) => {
  const { send } = open(t);
  t.equal(send(asking(contactOf(CONTACT, '99999'))).options.headers?.contact, `<${CONTACT}>;expires=3600`);
  const short = send(asking(contactOf(CONTACT, '5'), { 'call-id': 'b' }));
  t.match(short, { status: 423, options: { headers: { 'min-expires': '60' } } });
});

t.test('without Contact it only asks', async (t) => {
  const { send } = open(t);
  send(asking(contactOf(CONTACT), { expires: 600 }));
  t.equal(send(asking(undefined)).options.headers?.contact, `<${CONTACT}>;expires=600`);
});

t.test('Contact: * takes all away, but only with Expires: 0', async (t) => {
  const { store, send, now } = open(t);
  send(asking(contactOf(CONTACT)));
  t.equal(send(asking('*')).status, 400);
  t.equal(store.registrations('7001', now()).length, 1);
  t.equal(send(asking('*', { expires: 0 })).status, 200);
  t.equal(store.registrations('7001', now()).length, 0);
});

t.test('an older CSeq does not undo a newer one', async (t) => {
  const { send } = open(t);
  send(asking(contactOf(CONTACT), { cseq: { seq: 5, method: 'REGISTER' } }));
  t.equal(send(asking(contactOf(CONTACT, '0'), { cseq: { seq: 4, method: 'REGISTER' } })).status, 500);
});

t.test('a contact that cannot be called is refused', async (t) => {
  const { send } = open(t);
  t.equal(send(asking(contactOf('mailto:alice@example.com'))).status, 400);
  t.equal(send(asking(contactOf('tel:+4930123'))).status, 400);
});

t.test('no DN hoards contacts', async (t) => {
  const { send } = open(t);
  const many = Array.from({ length: 11 }, (_, index) =>
    contactOf(`sip:7001@127.0.0.1:${6000 + index}`),
  ).flat();
  t.equal(send(asking(many)).status, 403);
});

t.test('nor do all of them together', async (t) => {
  const { store, send, now } = open(t);
  for (const number of ['7002', '7003']) {
    store.saveDn({ number, name: null, record: false, ha1: null, realm: null });
    const place = { number, protocol: 'udp', address: '127.0.0.1', port: 1, callId: 'c', cseq: 1 } as const;
    const contacts = Array.from({ length: 5 }, (_, index) => `sip:${number}@127.0.0.1:${6000 + index}`);
    store.replaceRegistrations(
      number,
      contacts.map((contact) => ({ ...place, contact, userAgent: null, expiresAt: now() + 60_000 })),
    );
  }
  const contacts = [1, 2, 3].flatMap((port) => contactOf(`sip:7001@127.0.0.1:${port}`));
  t.equal(send(asking(contacts.slice(0, 2))).status, 200);
  const refused = send(asking(contacts, { cseq: { seq: 2, method: 'REGISTER' } }));
  t.equal(refused.status, 503);
  t.match(refused.options.headers?.['retry-after'], /^\d+$/);
  const renewed = send(asking(contacts.slice(0, 2), { cseq: { seq: 3, method: 'REGISTER' } }));
  t.equal(renewed.status, 200, 'what is registered is renewed');
});

function answerTo(
  challenge: AuthHeader | undefined,
  credentials: { username: string; password: string },
): AuthHeader {
  const asked = challenge ?? { scheme: 'none' };
  const value = authorize({
    challenge: asked,
    credentials,
    method: 'REGISTER',
    uri: 'sip:7001@127.0.0.1',
    nc: 1,
    cnonce: 'c',
  });
  const fields = [...(value ?? '').matchAll(/(\w+)=("[^"]*"|[^,\s]+)/g)];
  const read = Object.fromEntries(fields.map((match) => [match[1] ?? '', match[2] ?? '']));
  return { scheme: 'Digest', ...read } as AuthHeader;
}

const NO_TRUNKS = trunksOf('');
const PEER = { protocol: 'udp', address: '127.0.0.1', port: 5070 } as const;

/** What happens to a REGISTER for `number` with these credentials, in answer to the challenge at `index`. */
function attempting(identifier: Identifier) {
  return (
    credentials?: { username: string; password: string },
    number = '7001',
    index = 0,
    peer: Peer = PEER,
  ) => {
    const { message } = asking(undefined);
    const first = identifier.authenticate(message, number, peer);
    if (credentials === undefined || first.kind !== 'refused') return first;
    message.headers.authorization = [answerTo(first.challenges?.[index], credentials)];
    return identifier.authenticate(message, number, peer);
  };
}

t.test('who has the password is the DN, and nobody else', async (t) => {
  const { store, now } = open(t);
  const other = { name: null, record: false, realm: 'grec' };
  store.saveDn({ number: '7002', ha1: ha1('7002', 'grec', 'other'), ...other });
  const identifier = new Identifier({ store, trunks: NO_TRUNKS, realm: 'grec', now });
  const attempt = attempting(identifier);
  t.match(attempt(), { kind: 'refused', status: 401, challenges: [{ scheme: 'Digest', realm: '"grec"' }] });
  t.match(attempt({ username: '7001', password: 'secret' }), { kind: 'dn', dn: { number: '7001' } });
  t.match(attempt({ username: '7001', password: 'wrong' }), {
    kind: 'refused',
    status: 401,
    counter: 'auth-wrong',
    guess: { user: '7001', reason: 'wrong', failures: 1 },
  });
  t.match(attempt({ username: '7999', password: 'x' }, '7999'), {
    status: 401,
    counter: 'auth-unknown-user',
    guess: { user: '7999', failures: 2 },
  });
  t.match(attempt({ username: '7002', password: 'other' }), {
    kind: 'refused',
    status: 403,
    counter: 'auth-wrong-number',
    guess: undefined,
  });
});

t.test('SHA-256 is offered first, MD5 beside it; a password of before has MD5 alone', async (t) => {
  const { store, now } = open(t);
  const ha1Sha256 = ha1('7002', 'grec', 'secret', 'SHA-256');
  const named = { number: '7002', name: null, record: false, realm: 'grec' };
  store.saveDn({ ...named, ha1: ha1('7002', 'grec', 'secret'), ha1Sha256 });
  const algorithms = (attempt: Identity) =>
    attempt.kind === 'refused'
      ? attempt.challenges?.map((challenge) => challenge['algorithm'])
      : attempt.kind;
  const attempt = attempting(new Identifier({ store, trunks: NO_TRUNKS, realm: 'grec', now }));
  t.same(algorithms(attempt(undefined, '7002')), ['SHA-256', 'MD5']);
  t.same(algorithms(attempt(undefined, '7001')), ['MD5']);
  t.same(algorithms(attempt(undefined, '7999')), ['SHA-256', 'MD5']);
  for (const index of [0, 1])
    t.match(attempt({ username: '7002', password: 'secret' }, '7002', index), { kind: 'dn' });
  const strict = attempting(
    new Identifier({ store, trunks: NO_TRUNKS, realm: 'grec', now, algorithms: ['SHA-256'] }),
  );
  t.same(algorithms(strict(undefined, '7002')), ['SHA-256']);
  t.same(algorithms(strict({ username: '7001', password: 'secret' })), ['SHA-256'], 'its hash is not taken');
});

t.test('who guesses is soon not answered; a registered phone at its address is', async (t) => {
  const { store, send, now } = open(t);
  const attempt = attempting(new Identifier({ store, trunks: NO_TRUNKS, realm: 'grec', now }));
  const wrong = (number: string) => attempt({ username: number, password: 'guess' }, number);
  for (let count = 0; count < 3; count++) t.match(wrong('7001'), { status: 401, isIgnored: undefined });
  const right = { username: '7001', password: 'secret' };
  t.match(attempt(right), { isIgnored: true, counter: 'auth-silenced' }, 'right or wrong is not told');
  const elsewhere = { ...PEER, address: '127.0.0.7' };
  t.match(attempt(right, '7001', 0, elsewhere), { kind: 'dn' }, 'others are not concerned');
  t.match(
    attempt(undefined, '7001'),
    { status: 401, isIgnored: undefined },
    'nor is who asks for a challenge',
  );
  for (let number = 8000; number < 8017; number++) wrong(`${number}`);
  store.saveDn({ number: '7002', name: null, record: false, ha1: ha1('7002', 'grec', 'p'), realm: 'grec' });
  const good = { username: '7002', password: 'p' };
  t.match(attempt(good, '7002'), { isIgnored: true }, 'the whole address is silenced');
  send(asking(contactOf(CONTACT)));
  const [registration] = store.registrations('7001', now());
  if (registration !== undefined) store.replaceRegistrations('7002', [{ ...registration, number: '7002' }]);
  t.match(attempt(good, '7002'), { kind: 'dn' });
});

t.test('nobody fails in the name of another address', async (t) => {
  const { store, now } = open(t);
  const identifier = new Identifier({ store, trunks: NO_TRUNKS, realm: 'grec', now });
  const { message } = asking(undefined);
  const first = identifier.authenticate(message, '7001', { ...PEER, address: '127.0.0.66' });
  const [challenge] = first.kind === 'refused' ? (first.challenges ?? []) : [];
  message.headers.authorization = [answerTo(challenge, { username: '7001', password: 'wrong' })];
  t.match(identifier.authenticate(message, '7001', PEER), { counter: 'auth-forged-nonce', guess: undefined });
});

t.test('a password that was set for another realm opens nothing', async (t) => {
  const { store, now } = open(t);
  const attempt = attempting(new Identifier({ store, trunks: NO_TRUNKS, realm: 'elsewhere', now }));
  t.match(attempt({ username: '7001', password: 'secret' }), { kind: 'refused', status: 401 });
});

t.test('a SIPS contact is taken over TLS alone', async (t) => {
  const { send, store, now } = open(t);
  t.match(send(asking(contactOf('sips:7001@127.0.0.1:5071'))), { status: 400 });
  const request = asking(contactOf('sips:7001@127.0.0.1:5071'));
  const { flow } = request;
  Object.assign(request, { flow: { ...flow, peer: { ...flow.peer, protocol: 'tls' } } });
  t.match(send(request), { status: 200 });
  t.match(store.registrations('7001', now()), [{ protocol: 'tls', contact: 'sips:7001@127.0.0.1:5071' }]);
});
