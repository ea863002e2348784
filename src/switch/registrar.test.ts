// REGISTER: contacts come, go, expire, and are listed; only for who proved to be the DN.
import { join } from 'node:path';
import t from 'tap';
import { authorize, ha1 } from '../sip/digest.ts';
import type { AuthHeader } from '../sip/message.ts';
import type { ResponseOptions } from '../sip/user-agent.ts';
import { FakeIncoming, fakeRequest } from '../testing/fake-user-agent.ts';
import { DnStore } from './dn-store.ts';
import { Identifier } from './identity.ts';
import { register } from './registrar.ts';

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

function open(t: { testdir(): string; teardown(step: () => void): void }) {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  store.saveDn({
    number: '7001',
    name: null,
    record: true,
    ha1: ha1('7001', 'grec', 'secret'),
    realm: 'grec',
  });
  let now = 1_000_000;
  const options = { store, maxExpires: 3600, now: () => now };
  const send = (request: Asking) => {
    register(request, '7001', options);
    return request;
  };
  return { store, send, later: (ms: number) => (now += ms), now: () => now };
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

function answerTo(challenge: string, credentials: { username: string; password: string }): AuthHeader {
  const read = (text: string) =>
    Object.fromEntries(
      [...text.matchAll(/(\w+)=("[^"]*"|[^,\s]+)/g)].map((match) => [match[1] ?? '', match[2] ?? '']),
    );
  const asked = { scheme: 'Digest', ...read(challenge) } as AuthHeader;
  const value = authorize({
    challenge: asked,
    credentials,
    method: 'REGISTER',
    uri: 'sip:7001@127.0.0.1',
    nc: 1,
    cnonce: 'c',
  });
  return { scheme: 'Digest', ...read(value ?? '') } as AuthHeader;
}

t.test('who has the password is the DN, and nobody else', async (t) => {
  const { store, now } = open(t);
  store.saveDn({
    number: '7002',
    name: null,
    record: false,
    ha1: ha1('7002', 'grec', 'other'),
    realm: 'grec',
  });
  const identifier = new Identifier({ store, realm: 'grec', now });
  const attempt = (credentials: { username: string; password: string } | undefined, number = '7001') => {
    const { message } = asking(undefined);
    const first = identifier.authenticate(message, number);
    if (credentials === undefined || first.kind !== 'refused') return first;
    message.headers.authorization = [answerTo(first.challenge ?? '', credentials)];
    return identifier.authenticate(message, number);
  };
  t.match(attempt(undefined), { kind: 'refused', status: 401, challenge: /^Digest realm="grec"/ });
  t.match(attempt({ username: '7001', password: 'secret' }), { kind: 'dn', dn: { number: '7001' } });
  t.match(attempt({ username: '7001', password: 'wrong' }), {
    kind: 'refused',
    status: 401,
    counter: 'auth-wrong',
  });
  t.match(attempt({ username: '7999', password: 'x' }, '7999'), {
    status: 401,
    counter: 'auth-unknown-user',
  });
  t.match(attempt({ username: '7002', password: 'other' }), {
    kind: 'refused',
    status: 403,
    counter: 'auth-wrong-number',
  });
});

t.test('a password that was set for another realm opens nothing', async (t) => {
  const { store, now } = open(t);
  const identifier = new Identifier({ store, realm: 'elsewhere', now });
  const { message } = asking(undefined);
  const first = identifier.authenticate(message, '7001');
  const challenge = first.kind === 'refused' ? (first.challenge ?? '') : '';
  message.headers.authorization = [answerTo(challenge, { username: '7001', password: 'secret' })];
  t.match(identifier.authenticate(message, '7001'), { kind: 'refused', status: 401 });
});

t.test('a trunk is known by its address; credentials come first', async (t) => {
  const { store, now } = open(t);
  const identifier = new Identifier({ store, realm: 'grec', now });
  const trunk = { name: 'carrier', host: '127.0.0.1', port: 5060, transport: 'udp', record: false } as const;
  const request = new FakeIncoming(fakeRequest('INVITE'));
  t.match(identifier.identifyCaller(request, [trunk]), { kind: 'trunk', trunk: { name: 'carrier' } });
  t.match(identifier.identifyCaller(request, []), { kind: 'refused', status: 401 });
  const elsewhere = { ...trunk, host: '127.0.0.9' };
  t.match(identifier.identifyCaller(request, [elsewhere]), { kind: 'refused', status: 401 });
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
