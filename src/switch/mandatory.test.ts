// No recording, no call: what becomes of a call whose recording is mandatory when it cannot be made; and anchored media.
import t from 'tap';
import { answered, type Step, settle, setUp } from './call-fixture.ts';
import type { CallPlan, CallTarget } from './call-model.ts';
import { rescueCalls } from './media-rescue.ts';
import { requestRecording } from './recording-requests.ts';

const mandatory = (plan: CallPlan): CallPlan => ({
  ...plan,
  decision: { ...plan.decision, mandatory: true },
});

/** A call whose recording is mandatory, with a media server that fails at one step. */
const failingAt = (step: Step) => ({ failing: [step], planned: mandatory });

/** A call that is offered to these, 7001 among them. */
const toSeveral =
  (others: { number: string; isMandatory: boolean }[]) =>
  (plan: CallPlan): CallPlan => {
    const targets = others.map(({ number, isMandatory }): CallTarget => {
      const { to, route, decision } = plan;
      return {
        to: { ...to, number, dn: number },
        route: { ...route, uri: `sip:${number}@127.0.0.1:5071` },
        decision: { ...decision, dn: number, mandatory: isMandatory },
      };
    });
    const undecided = { ...plan.decision, record: false };
    return { ...plan, decision: undecided, hunt: { rounds: [targets], ringTimeMs: 1000 } };
  };

t.test('at set-up: refused with 503, and nobody is rung', async (t) => {
  const { call, userAgent, invite, events, types, released } = setUp(failingAt('offer'));
  await call.begin();
  await released;
  t.same(userAgent.sent, []);
  t.same(invite.sent, ['503']);
  t.same(types(), ['call.created', 'recording.decided', 'recording.failed', 'call.released']);
  t.match(events.at(-1), {
    status: 503,
    reason: 'recording is mandatory and cannot be made',
    answered: false,
  });
});

t.test('rule 1: not mandatory: the call goes on', async (t) => {
  const { call, userAgent } = setUp({ failing: ['offer'] });
  await call.begin();
  t.same(userAgent.sent, ['INVITE offer']);
  call.release('switch', 480, 'enough');
});

t.test('when the callee has answered: both are told, each as their leg is', async (t) => {
  const { call, userAgent, invite, released } = setUp(failingAt('answer'));
  await call.begin();
  userAgent.accept('answer');
  await released;
  t.same(invite.sent, ['503']);
  t.ok(userAgent.dialog.sent.includes('BYE'), 'the callee is hung up');
  t.ok(userAgent.sent.includes('ACK'));
});

t.test('in the middle of the call: it ends on both sides', async (t) => {
  const { userAgent, invite, events, released } = await answered(failingAt('startRecording'));
  await released;
  t.same(invite.sent, ['200 m(answer)']);
  t.same(invite.dialog.sent, ['BYE']);
  t.same(userAgent.dialog.sent, ['BYE']);
  t.match(events.at(-1), { type: 'call.released', by: 'switch', status: 503, answered: true });
});

t.test(
  'its media server is lost in the middle of the call, and there is no other: the call ends',
  async (t) => {
    const { call, events, released } = await answered({ planned: mandatory });
    t.equal(call.recording?.state, 'recording');
    await rescueCalls([call], { isLost: () => true, isServed: () => false }, 'media server m is lost');
    await released;
    t.match(events.slice(-3), [
      { type: 'recording.interrupted' },
      { type: 'recording.failed', reason: 'no media server could take over' },
      { type: 'call.released', by: 'switch', status: 503 },
    ]);
  },
);

t.test('it may be paused, and not be stopped', async (t) => {
  const { call } = await answered({ planned: mandatory });
  const asked = { by: 'DN 7001', reason: 'card number' };
  await t.rejects(requestRecording(call, 'stop', asked), { code: 'RECORDING_STATE', hint: /now: pause$/ });
  t.match(await requestRecording(call, 'pause', asked), { changed: true });
  await t.rejects(requestRecording(call, 'stop', asked), { code: 'RECORDING_STATE', hint: /now: resume$/ });
  call.release('switch', 480, 'enough');
});

t.test('of several places those are left where it need not be recorded', async (t) => {
  const planned = toSeveral([
    { number: '7001', isMandatory: true },
    { number: '7003', isMandatory: false },
  ]);
  const { call, userAgent, released } = setUp({ failing: ['offer'], planned });
  await call.begin();
  t.equal(userAgent.sent.length, 1);
  t.equal(userAgent.options?.uri, 'sip:7003@127.0.0.1:5071');
  call.release('switch', 480, 'enough');
  await released;
  const none = setUp({ failing: ['offer'], planned: toSeveral([{ number: '7001', isMandatory: true }]) });
  await none.call.begin();
  await none.released;
  t.same(none.userAgent.sent, []);
  t.same(none.invite.sent, ['503']);
});

t.test('media that is always anchored runs through the media server, and nothing is recorded', async (t) => {
  const anchored = (plan: CallPlan) => ({ ...plan, decision: { ...plan.decision, isAnchored: true } });
  const { call, media, types } = await answered({ record: false, planned: anchored });
  await settle();
  t.equal(call.media, media);
  t.equal(call.recording, undefined);
  await requestRecording(call, 'start', { by: 'x', reason: 'y' });
  await requestRecording(call, 'stop', { by: 'x', reason: 'y' });
  t.equal(call.media, media, 'and stays there when a recording ends');
  call.release('switch', 480, 'enough');
  t.equal(types().filter((type) => type === 'recording.started').length, 1);
});
