// Path: what is kept of a REGISTER through proxies, and where calls to such a phone go (RFC 3327).
import t from 'tap';
import type { SipRequest } from '../sip/message.ts';
import type { Registration } from './dn-store.ts';
import { firstHop, pathOf } from './path.ts';

const registerWith = (path: unknown) => ({ headers: { path } }) as unknown as SipRequest;
const PROXY = '<sip:192.0.2.1:5070;lr>';

t.test('one that can be followed is kept as it stood', async (t) => {
  t.equal(pathOf(registerWith(undefined)), null, 'none');
  t.equal(pathOf(registerWith(PROXY)), PROXY);
  const two = '<sip:core@192.0.2.1;transport=tcp;lr=on>, "edge" <sip:edge.example.com;lr>;x=y';
  t.equal(pathOf(registerWith(two)), two);
  t.ok(pathOf(registerWith(Array(8).fill(PROXY).join(', '))));
});

for (const [what, path] of [
  ['empty', ''],
  ['malformed', '<sip:192.0.2.1;lr'],
  ['a strict router', '<sip:192.0.2.1>'],
  ['a strict router behind a loose one', `${PROXY}, <sip:192.0.2.2>`],
  ['a telephone number', '<tel:+4930123;lr>'],
  ['more proxies than there are', Array(9).fill(PROXY).join(', ')],
  ['too long', `<sip:${'a'.repeat(1100)}@192.0.2.1;lr>`],
] as const)
  t.test(`${what}: none`, async (t) => t.equal(pathOf(registerWith(path)), undefined));

t.test(
  'the first hop is where the REGISTER came from; over TCP at the port that the Path names',
  async (t) => {
    const source = { protocol: 'udp', address: '192.0.2.1', port: 5099 } as const;
    const registration = (more: Partial<Registration>): Registration => ({
      number: '7001',
      contact: 'sip:7001@198.51.100.7',
      ...source,
      expiresAt: 0,
      callId: 'c',
      cseq: 1,
      userAgent: null,
      ...more,
    });
    const tcp = { ...source, protocol: 'tcp' } as const;
    t.same(firstHop(registration({})), source);
    t.same(firstHop(registration({ path: PROXY })), source);
    t.same(firstHop(registration({ protocol: 'tcp' })), tcp);
    t.same(firstHop(registration({ protocol: 'tcp', path: PROXY })), { ...tcp, port: 5070 });
    t.same(firstHop(registration({ protocol: 'tcp', path: '<sip:192.0.2.1;lr>' })), { ...tcp, port: 5060 });
    const tls = registration({ protocol: 'tls', path: '<sip:192.0.2.1;transport=tls;lr>' });
    t.same(firstHop(tls), { ...source, protocol: 'tls', port: 5061 });
    t.same(
      firstHop(registration({ protocol: 'tcp', path: '<sip:203.0.113.9:5070;lr>' })),
      tcp,
      'not where a phone says',
    );
  },
);
