// A call before its answer: forks behind the callee, early media, offers in provisional responses, UPDATE.
import t from 'tap';
import type { Progress } from '../sip/user-agent.ts';
import { FakeDialog, FakeIncoming, fakeRequest, fakeResponse } from '../testing/fake-user-agent.ts';
import { settle, setUp } from './call-fixture.ts';

function from(tag: string, status: number, sdp = '') {
  const response = fakeResponse(status, sdp);
  response.headers.to.params['tag'] = tag;
  return response;
}

const bare = (dialog: FakeDialog): Progress => ({ dialog, prack: undefined });

t.test(
  'each branch of a fork has its own early media, and the one that answers its own answer',
  async (t) => {
    const { call, userAgent, invite } = setUp();
    await call.begin();
    const { options } = userAgent;
    options?.onProvisional?.(from('one', 180), bare(new FakeDialog('early')));
    options?.onProvisional?.(from('two', 183, 'early two'), bare(new FakeDialog('early')));
    options?.onProvisional?.(from('one', 183, 'early one'), bare(new FakeDialog('early')));
    await settle();
    options?.onAccepted(from('two', 200), userAgent.dialog, () => void userAgent.sent.push('ACK'));
    await settle();
    t.same(invite.sent, ['180', '183 m(early two)', '183 m(early one)', '200 m(early two)']);
    t.same(
      invite.options.map(({ branch, reliable }) => [branch, reliable]),
      [
        ['', false],
        ['two', true],
        ['', true],
        ['two', undefined],
      ],
    );
    t.equal(call.legs.b.described?.toString(), 'early two', 'who answered, not who spoke last');
    t.equal(call.recording?.state, 'recording');
  },
);

t.test('an offer of the callee while it rings is answered by the PRACK of the caller', async (t) => {
  const { call, userAgent, invite } = setUp({ offer: '' });
  invite.message.headers['supported'] = '100rel';
  await call.begin();
  t.notOk(userAgent.options?.headers?.['supported'], 'the callee may do it');
  const pracked: string[] = [];
  const prack: Progress['prack'] = async (body) => {
    pracked.push(`${body?.bytes}`);
    return fakeResponse(200);
  };
  userAgent.options?.onProvisional?.(from('b', 183, 'offer'), { dialog: new FakeDialog('early'), prack });
  await settle();
  const answer = new FakeIncoming(fakeRequest('PRACK', 'answer'));
  invite.onPrack?.(answer, '');
  await settle();
  t.same([answer.sent, pracked], [['200'], ['m(answer)']]);
  userAgent.options?.onAccepted(from('b', 200), userAgent.dialog, () => void userAgent.sent.push('ACK'));
  await settle();
  t.same(invite.sent, ['183 m(offer)', '200'], 'the answer needs no description any more');
  t.same(userAgent.sent, ['INVITE', 'ACK']);
  t.equal(call.recording?.state, 'recording');
});

t.test('a caller that cannot be asked so is not: the callee is not told of 100rel', async (t) => {
  const { call, userAgent } = setUp({ offer: '' });
  t.teardown(() => call.release('switch', 503, 'test over'));
  await call.begin();
  t.notMatch(userAgent.options?.headers?.['supported'], '100rel');
});

async function ringing() {
  const all = setUp({ record: false });
  t.teardown(() => all.call.release('switch', 503, 'test over'));
  await all.call.begin();
  const callee = new FakeDialog('early');
  all.userAgent.options?.onProvisional?.(from('b', 183, 'answer'), bare(callee));
  await settle();
  const caller = all.invite.earlyDialogs.get('');
  if (caller === undefined) throw new Error('no early dialog');
  return { ...all, caller, callee };
}

t.test('UPDATE goes from one early dialog to the other, and so does INFO', async (t) => {
  const { caller, callee } = await ringing();
  callee.abilities.add('UPDATE');
  const update = new FakeIncoming(fakeRequest('UPDATE', 'new offer'));
  caller.onUpdate?.(update);
  await settle();
  t.same([callee.sent, update.sent], [['UPDATE new offer'], ['200 answer']]);
  const back = new FakeIncoming(fakeRequest('UPDATE', 'other offer'));
  callee.onUpdate?.(back);
  await settle();
  t.same([caller.sent, back.sent], [[], ['488']], 'the caller has not said that it takes UPDATE');
  const info = new FakeIncoming(fakeRequest('INFO', 'x', { 'content-type': 'text/plain' }));
  callee.onRequest?.(info);
  await settle();
  t.same([caller.sent, info.sent], [['INFO x'], ['200 answer']]);
});

t.test('a new offer in a PRACK is an UPDATE to the callee; without one it is refused', async (t) => {
  const { invite, callee } = await ringing();
  callee.abilities.add('UPDATE');
  const prack = new FakeIncoming(fakeRequest('PRACK', 'new offer'));
  invite.onPrack?.(prack, '');
  await settle();
  t.same([callee.sent, prack.sent], [['UPDATE new offer'], ['200 answer']]);
  const lost = new FakeIncoming(fakeRequest('PRACK', 'new offer'));
  invite.onPrack?.(lost, 'unknown');
  t.same(lost.sent, ['488']);
});

t.test('a media server that is lost while it rings: the callee is told as soon as it answers', async (t) => {
  const { call, userAgent, invite } = setUp({ failing: ['answer'] });
  t.teardown(() => call.release('switch', 503, 'test over'));
  await call.begin();
  userAgent.options?.onProvisional?.(from('b', 183, 'early'), bare(new FakeDialog('early')));
  await settle();
  userAgent.options?.onAccepted(from('b', 200, 'answer'), userAgent.dialog, () => {});
  await settle();
  t.same(invite.sent, ['183 early', '200 answer']);
  t.same(userAgent.dialog.sent, ['INVITE offer', 'ACK']);
});
