// What a callee is shown: who asserts it, who wants to be hidden, and who sent the call on.
import t from 'tap';
import { fakeRequest } from '../testing/fake-user-agent.ts';
import { readShownCaller, shownFrom, shownHeaders, withDiversion } from './shown-caller.ts';

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
  t.equal(
    withDiversion(shown, '7003', local).diverted['diversion'],
    '<sip:7003@192.0.2.1:5060>;reason=unconditional;counter=1, <sip:+4931@carrier>;reason=user-busy',
  );
  t.match(withDiversion(undefined, '7003', local), { isHidden: false, diverted: { diversion: /7003/ } });
});

t.test('what no address can be is left out', async (t) => {
  const long = fakeRequest('INVITE', '', { 'p-asserted-identity': 'x'.repeat(5000), diversion: '' });
  t.match(readShownCaller(long, true), { asserted: undefined, diverted: {} });
});
