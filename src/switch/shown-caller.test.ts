// What a callee is shown: who asserts it, who wants to be hidden, and who sent the call on.
import t from 'tap';
import { fakeRequest } from '../testing/fake-user-agent.ts';
import { afterRedirection, readShownCaller, shownFrom, shownHeaders } from './shown-caller.ts';

const local = { protocol: 'udp', address: '192.0.2.1', port: 5060 } as const;
const party = (trunk?: string) => ({
  number: '7002',
  uri: 'sip:7002@phone',
  name: 'Ann "A"',
  dn: trunk === undefined ? '7002' : undefined,
  trunk,
});
const CLAIMED = {
  'p-asserted-identity': '<sip:+4930@carrier>',
  diversion: '<sip:+4931@carrier>;reason=user-busy',
  'history-info': '<sip:+4931@carrier>;index=1',
};

t.test('a DN is who it has proven to be, whatever it says', async (t) => {
  const shown = readShownCaller(fakeRequest('INVITE', '', CLAIMED), false);
  const showing = { from: party(), shown, isTrunk: true, local };
  t.strictSame(shownHeaders(showing), {
    'p-asserted-identity': '"Ann \\"A\\"" <sip:7002@192.0.2.1:5060>',
  });
  t.strictSame(shownFrom(showing), { uri: 'sip:7002@192.0.2.1:5060', name: 'Ann "A"' });
});

t.test('a trunk asserts its callers, and how the call came', async (t) => {
  const shown = readShownCaller(fakeRequest('INVITE', '', CLAIMED), true);
  t.strictSame(shownHeaders({ from: party('carrier'), shown, isTrunk: false, local }), CLAIMED);
});

t.test('who is to be hidden is told to a trunk alone', async (t) => {
  for (const [privacy, isHidden] of [
    ['id', true],
    ['header;User', true],
    ['none', false],
    ['session', false],
  ] as const) {
    const shown = readShownCaller(fakeRequest('INVITE', '', { privacy }), false);
    const to = (isTrunk: boolean) => ({ from: party(), shown, isTrunk, local });
    t.match(shownHeaders(to(true)), { privacy, 'p-asserted-identity': /7002/ }, privacy);
    t.equal(shownHeaders(to(false))['p-asserted-identity'] === undefined, isHidden, privacy);
    t.equal(shownFrom(to(true)).uri.includes('anonymous.invalid'), isHidden, privacy);
  }
});

t.test('who sends a call on stands before those who did so earlier', async (t) => {
  const shown = readShownCaller(fakeRequest('INVITE', '', CLAIMED), true);
  const step = { from: '7003', to: '7001', status: 302, place: 1 };
  t.equal(
    afterRedirection(shown, step, local).diverted['diversion'],
    '<sip:7003@192.0.2.1:5060>;reason=unconditional;counter=1, <sip:+4931@carrier>;reason=user-busy',
  );
  t.match(afterRedirection(undefined, step, local), { isHidden: false, diverted: { diversion: /7003/ } });
});

t.test('who sends a call on enters itself and the next one in its history', async (t) => {
  const step = { from: '7003', to: '7001', status: 302, place: 1 };
  const own =
    '<sip:7003@192.0.2.1:5060?Reason=SIP%3Bcause%3D302>;index=1, <sip:7001@192.0.2.1:5060>;index=1.1;mp=1';
  const first = afterRedirection(undefined, step, local);
  t.equal(first.diverted['history-info'], own);
  const told = readShownCaller(fakeRequest('INVITE', '', CLAIMED), true);
  t.equal(
    afterRedirection(told, step, local).diverted['history-info'],
    '<sip:+4931@carrier>;index=1, <sip:7003@192.0.2.1:5060?Reason=SIP%3Bcause%3D302>;index=1.1, <sip:7001@192.0.2.1:5060>;index=1.1.1;mp=1.1',
  );
  const second = afterRedirection(first, { from: '7001', to: '7002', status: 301, place: 2 }, local);
  t.equal(
    second.diverted['history-info'],
    '<sip:7003@192.0.2.1:5060?Reason=SIP%3Bcause%3D302>;index=1, <sip:7001@192.0.2.1:5060?Reason=SIP%3Bcause%3D301>;index=1.1;mp=1, <sip:7002@192.0.2.1:5060>;index=1.1.2;mp=1.1',
  );
});

t.test('a history that is hidden gets no entries, and one that cannot be read stays as it is', async (t) => {
  const step = { from: '7003', to: '7001', status: 302, place: 1 };
  const after = (headers: Record<string, string>) =>
    afterRedirection(readShownCaller(fakeRequest('INVITE', '', headers), true), step, local).diverted[
      'history-info'
    ];
  for (const privacy of ['history', 'id;header', 'session']) t.equal(after({ privacy }), undefined, privacy);
  t.match(after({ privacy: 'id' }), /index=1\.1/);
  for (const history of [
    'nonsense',
    '<sip:a@b>',
    '<sip:a@b>;index=x',
    '"<sip:a@b>;index=1',
    '<sip:a@b',
    '<>;index=1.99999999999',
  ])
    t.equal(after({ 'history-info': history }), history, history);
  t.match(
    after({ 'history-info': '"a, b" <sip:7003@h?Reason=x&a=1,2>;index=1.2;foo' }),
    /^"a, b" <sip:7003@h\?Reason=x&a=1,2>;index=1\.2;foo, <sip:7001@192\.0\.2\.1:5060>;index=1\.2\.1;mp=1\.2$/,
  );
});

t.test('what no address can be is left out', async (t) => {
  const long = fakeRequest('INVITE', '', { 'p-asserted-identity': 'x'.repeat(5000), diversion: '' });
  t.match(readShownCaller(long, true), { asserted: undefined, diverted: {} });
});
