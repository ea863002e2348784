// What a party's offer says of its conversation: when a call goes over into another one, and when it does not.
import t from 'tap';
import { FakeIncoming, fakeRequest, fakeResponse } from '../testing/fake-user-agent.ts';
import { hearSession } from './conversation.ts';
import { sdp, settle, talking } from './transfer-fixture.ts';

const OWN = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);
const CALLEE = 'c'.repeat(32);

/** A call whose caller (7002) is behind a trunk, or is not, and whose callee has a UUID. */
async function call(t: Parameters<typeof talking>[0], options: { trunk?: 'a' | 'b' } = {}) {
  const all = await talking(t, { record: true });
  all.call.legs.b.uuid = CALLEE;
  const { trunk } = options;
  if (trunk !== undefined) all.call.legs[trunk].party = { ...all.call.legs[trunk].party, trunk: 'other' };
  return all;
}

function offer(sessionId: string) {
  return new FakeIncoming(fakeRequest('INVITE', sdp('c'), { 'session-id': sessionId }));
}

for (const [what, trunk, header, moves] of [
  ['the same', 'a', `${OWN};remote=${CALLEE}`, undefined],
  ['another UUID that knows our party', 'a', `${OTHER};remote=${CALLEE}`, OTHER],
  ['another UUID that does not', 'a', `${OTHER};remote=${'d'.repeat(32)}`, undefined],
  ['another UUID that knows nobody', 'a', OTHER, undefined],
  ['none', 'a', '', undefined],
  ['nonsense', 'a', `${OTHER}x;remote=;conversation=${OTHER}y;;=`, undefined],
  ['somebody else, for the caller whose the conversation is', 'b', `${OTHER};remote=${OWN}`, undefined],
  ['the same, with the conversation named', 'b', `${OTHER};remote=${OWN};conversation=${OTHER}`, OTHER],
  ['a conversation, in capitals', 'b', `${OTHER};Remote=${OWN};CONVERSATION=${OTHER.toUpperCase()}`, OTHER],
  ['another one from a phone', undefined, `${OTHER};remote=${CALLEE};conversation=${OTHER}`, undefined],
] as const)
  t.test(
    `a re-INVITE says ${what}: ${moves === undefined ? 'nothing moves' : 'the call moves'}`,
    async (t) => {
      const { call: ours, caller, callee, events } = await call(t, trunk === undefined ? {} : { trunk });
      const [near, far] = trunk === 'b' ? [callee, caller] : [caller, callee];
      const request = offer(header);
      near.onReinvite?.(request);
      await settle();
      t.match(request.sent, [/^200/]);
      t.match(far.sent[0], /^INVITE/);
      t.equal(ours.plan.sessionId, moves ?? OWN);
      t.equal(ours.recording?.metadata.sessionId, moves ?? OWN);
      t.match(
        events.filter(({ type }) => type === 'call.joined'),
        moves === undefined ? [] : [{ call: ours.id, sessionId: OTHER, was: OWN }],
      );
    },
  );

t.test('whose party is told of it, and of which conversation it is', async (t) => {
  const { call: ours, caller } = await call(t, { trunk: 'a' });
  caller.onReinvite?.(offer(`${OTHER};remote=${CALLEE}`));
  await settle();
  t.match(ours.headersTo('b'), { 'session-id': `${OTHER};remote=${CALLEE};conversation=${OTHER}` });
  t.match(ours.headersTo('a'), { 'session-id': `${CALLEE};remote=${OTHER};conversation=${OTHER}` });
});

t.test('an offer that is refused moves nothing', async (t) => {
  const { call: ours, caller, callee, events } = await call(t, { trunk: 'a' });
  callee.answerTo = () => fakeResponse(488);
  const request = offer(`${OTHER};remote=${CALLEE}`);
  caller.onReinvite?.(request);
  await settle();
  t.match(request.sent, [/^488/]);
  t.equal(ours.plan.sessionId, OWN);
  t.notOk(events.some(({ type }) => type === 'call.joined'));
});

t.test('it comes back as it went', async (t) => {
  const { call: ours } = await call(t, { trunk: 'b' });
  const { b } = ours.legs;
  const hear = (header: string) => hearSession(ours, b, offer(header).message).take();
  hear(`${OTHER};remote=${OWN};conversation=${OTHER}`);
  t.equal(ours.plan.sessionId, OTHER);
  hear(`${CALLEE};remote=${OWN};conversation=${OWN}`);
  t.equal(ours.plan.sessionId, OWN);
});

t.test('another life of the switch knows it', async (t) => {
  const { call: ours } = await call(t, { trunk: 'a' });
  hearSession(ours, ours.legs.a, offer(`${OTHER};remote=${CALLEE}`).message).take();
  t.match(ours.legs.b.store(), { hasMoved: true, uuid: CALLEE });
  t.match(JSON.parse(JSON.stringify(ours.plan)), { sessionId: OTHER });
});
