// Which call is one that has come back: the same caller's, to the same number, in the same conversation, while it is on its way.
import t from 'tap';
import type { CallPlan, CallState } from './call-model.ts';
import { Conversations } from './conversations.ts';

const party = (number: string) => ({ number, uri: '', name: undefined, dn: undefined, trunk: undefined });
const call = (change: Partial<CallPlan> = {}, state: CallState = 'ringing') => ({
  state,
  plan: { sessionId: 'one', from: party('+49301'), to: party('7001'), ...change } as CallPlan,
});

t.test('a call that is sent back to where it came from is a loop', async (t) => {
  const conversations = new Conversations();
  const first = call();
  conversations.add(first);
  t.ok(conversations.isLoop(call().plan));
  t.ok(
    conversations.isLoop(call({ to: party('7002'), dialled: '7001' }).plan),
    'by the number that was dialled',
  );
  t.notOk(conversations.isLoop(call({ sessionId: 'two' }).plan), 'another conversation');
  t.notOk(conversations.isLoop(call({ from: party('+49302') }).plan), 'another caller: the call was sent on');
  t.notOk(conversations.isLoop(call({ to: party('7002') }).plan), 'another number');
  conversations.drop(first);
  t.notOk(conversations.isLoop(call().plan), 'it is over');
});

t.test('one that is answered is no loop: who speaks may call again', async (t) => {
  for (const [state, isLoop] of [
    ['setup', true],
    ['ringing', true],
    ['answered', false],
    ['released', false],
  ] as const) {
    const conversations = new Conversations();
    conversations.add(call({}, state));
    t.equal(conversations.isLoop(call().plan), isLoop, state);
  }
});
