// Where a URI leads: numeric hosts at once, names with a time limit, and never too many lookups at a time.
import t from 'tap';
import { Locator } from './locate.ts';

t.test('numeric hosts need no lookup', async (t) => {
  const locator = new Locator({ lookup: () => t.fail('no lookup') });
  const cases: [string, object][] = [
    ['sip:a@192.0.2.1', { protocol: 'udp', address: '192.0.2.1', port: 5060 }],
    ['sip:a@192.0.2.1:5070;transport=TCP', { protocol: 'tcp', address: '192.0.2.1', port: 5070 }],
    ['sip:[2001:db8::1]:5062', { protocol: 'udp', address: '2001:db8::1', port: 5062 }],
    ['sip:a@192.0.2.1;transport=tls', { protocol: 'tls', address: '192.0.2.1', port: 5061 }],
    ['sips:a@192.0.2.1', { protocol: 'tls', address: '192.0.2.1', port: 5061 }],
    ['sips:a@[2001:db8::1]:5063;transport=tcp', { protocol: 'tls', address: '2001:db8::1', port: 5063 }],
    ['sip:a@example.com;maddr=192.0.2.7', { protocol: 'udp', address: '192.0.2.7', port: 5060 }],
  ];
  for (const [uri, peer] of cases) t.same(await locator.locate(uri), peer, uri);
});

t.test('URIs that lead nowhere', async (t) => {
  const locator = new Locator({ lookup: () => t.fail('no lookup') });
  for (const uri of [
    'tel:+15550100',
    'sips:a@192.0.2.1;transport=udp',
    'sip:a@192.0.2.1;transport=sctp',
    'sip:a@b:99999',
    'x',
  ])
    t.match(await locator.locate(uri), { reason: String }, uri);
});

t.test('a name is looked up once for everybody who asks, and remembered', async (t) => {
  const asked: string[] = [];
  const locator = new Locator({
    lookup: (host, done) => {
      asked.push(host);
      setImmediate(() => done(null, '192.0.2.3'));
    },
  });
  const all = await Promise.all(
    ['sip:a@pbx.example.com', 'sip:b@pbx.example.com'].map((uri) => locator.locate(uri)),
  );
  for (const peer of all) t.match(peer, { address: '192.0.2.3', port: 5060 });
  t.match(await locator.locate('sip:c@pbx.example.com:5080'), { address: '192.0.2.3', port: 5080 });
  t.same(asked, ['pbx.example.com']);
});

t.test('a name that does not exist, and a resolver that is silent', async (t) => {
  const missing = new Locator({ lookup: (_host, done) => done(new Error('ENOTFOUND'), '') });
  t.match(await missing.locate('sip:a@nowhere.example.com'), {
    reason: /no address for nowhere\.example\.com/,
  });
  let late: (() => void) | undefined;
  const silent = new Locator({
    limitMs: 10,
    lookup: (_host, done) => {
      late = () => done(null, '192.0.2.3');
    },
  });
  t.match(await silent.locate('sip:a@slow.example.com'), { reason: /in time/ });
  late?.();
  t.match(
    await silent.locate('sip:a@slow.example.com'),
    { reason: /in time/ },
    'the failure is remembered too',
  );
});

t.test('a flood of names is refused beyond 32 lookups, and close answers everybody', async (t) => {
  let asked = 0;
  const locator = new Locator({
    lookup: () => {
      asked += 1;
    },
  });
  const waiting = Array.from({ length: 100 }, (_, index) => locator.locate(`sip:a@h${index}.example.com`));
  t.match(await waiting[99], { reason: /too many/ });
  t.equal(asked, 32);
  locator.close();
  t.match(await waiting[0], { reason: 'closed' });
});

t.test('whom a name leads to by TLS has to show that name', async (t) => {
  const locator = new Locator({ lookup: (_host, done) => done(null, '192.0.2.3') });
  const peer = { protocol: 'tls', address: '192.0.2.3', port: 5061, name: 'pbx.example.com' };
  t.same(await locator.locate('sips:a@pbx.example.com'), peer);
  t.same(await locator.locate('sip:a@pbx.example.com;transport=TLS'), peer);
  const plain = { protocol: 'tcp', address: '192.0.2.3', port: 5060 };
  t.same(await locator.locate('sip:a@pbx.example.com;transport=tcp'), plain);
});
