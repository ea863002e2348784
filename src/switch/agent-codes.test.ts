// Logging in from a phone: what is asked by dialling, and how the phone is answered.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { EventBody } from '../spool/events.ts';
import { FakeInvite, fakeRequest } from '../testing/fake-user-agent.ts';
import { agentCodeOf, doAgentCode } from './agent-codes.ts';
import { Agents } from './agents.ts';
import { DnStore } from './dn-store.ts';

const CODES = { login: '*22', logout: '*23' };
const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n';

function prepare(t: Test) {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  const bare = { name: null, ha1: null, realm: null };
  for (const number of ['7001', '7002']) store.saveDn({ number, type: 'extension', ...bare });
  for (const number of ['2201', '2202']) store.saveDn({ number, type: 'agent-login', ...bare });
  const events: EventBody[] = [];
  const agents = new Agents(store, (event) => void events.push(event));
  const dial = (dn: string, number: string, sdp = `${SDP}m=audio 4000 RTP/AVP 8 101\r\n`) => {
    const code = agentCodeOf(number, CODES);
    if (code === undefined) throw new Error(`${number} is no code`);
    const invite = new FakeInvite(fakeRequest('INVITE', sdp));
    doAgentCode(invite, dn, code, agents);
    return invite;
  };
  return { store, events, dial };
}

t.test('what is a code, and what a number like others', async (t) => {
  t.same(agentCodeOf('*222201', CODES), { do: 'login', agent: '2201' });
  t.same(agentCodeOf('*23', CODES), { do: 'logout' });
  for (const number of ['*22', '*231', '2201', '*2', ''])
    t.equal(agentCodeOf(number, CODES), undefined, number);
  for (const number of ['*222201', '*23', ''])
    t.equal(agentCodeOf(number, { login: '', logout: '' }), undefined);
  t.same(agentCodeOf('*22', { login: '*22', logout: '*22' }), { do: 'logout' }, 'one code may do for both');
  t.match(agentCodeOf('*2299', { login: '*22', logout: '*22' }), { do: 'login', agent: '99' });
});

t.test('done: the call is answered without media, and hung up', async (t) => {
  const { store, events, dial } = prepare(t);
  const invite = dial('7001', '*222201');
  t.match(invite.sent[0], /^200 v=0[\s\S]*m=audio 9 RTP\/AVP 8\r\n[\s\S]*a=inactive/);
  t.same(invite.dialog.sent, ['BYE']);
  t.match(store.logins.at('7001'), { agent: '2201' });
  t.match(dial('7001', '*23').sent[0], /^200/);
  t.match(dial('7001', '*23').sent[0], /^200/, 'nobody is logged in, as was asked');
  t.same(store.logins.all(), []);
  t.match(events, [
    { type: 'agent.loggedIn', agent: '2201', dn: '7001', by: 'feature-code' },
    { type: 'agent.loggedOut', reason: 'logged out at the phone' },
  ]);
});

t.test('not done: the phone is told why', async (t) => {
  const { store, dial } = prepare(t);
  dial('7001', '*222201');
  t.same(dial('7002', '*222201').sent, ['486'], 'the agent is elsewhere');
  t.same(dial('7001', '*222202').sent, ['486'], 'somebody else is here');
  t.same(dial('7002', '*227001').sent, ['403'], 'no agent');
  t.same(dial('7002', '*229999').sent, ['403']);
  t.match(store.logins.all(), [{ agent: '2201', dn: '7001' }]);
});

t.test('whatever the phone offers', async (t) => {
  const { dial } = prepare(t);
  t.match(dial('7001', '*222201', '').sent[0], /^200 [\s\S]*m=audio 9 /, 'nothing: it gets an offer');
  const secure = `${SDP}m=audio 4000 RTP/SAVP 8\r\nm=video 5000 RTP/AVP 96\r\n`;
  t.match(dial('7001', '*23', secure).sent[0], /m=audio 0 RTP\/SAVP 8\r\nm=video 0 RTP\/AVP 96/);
  t.same(dial('7001', '*222201', 'nonsense').sent, ['488']);
});
