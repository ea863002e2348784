// Recording on request: media moves to the media server and back, whatever the parties say to it.
import t from 'tap';
import { GrecError } from '../errors.ts';
import { type FakeDialog, FakeIncoming, fakeRequest, fakeResponse } from '../testing/fake-user-agent.ts';
import { answered, settle } from './call-fixture.ts';
import { allowedOperations, requestRecording } from './recording-requests.ts';

const asked = { by: 'agent 7001', reason: 'the customer agreed' };

/** A description with an address that may be reached directly. */
const describe = (port: number, formats = '0') =>
  `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP ${formats}\r\n`;
const CALLER = describe(4000, '0 8');
const CALLEE = describe(5000);

/** An answered call without recording, whose parties answer re-INVITEs with their own description. */
async function direct(options: Parameters<typeof answered>[0] = {}) {
  const all = await answered({ record: false, offer: CALLER, answer: CALLEE, ...options });
  const { dialog: caller } = all.invite;
  const { dialog: callee } = all.userAgent;
  caller.answerTo = () => fakeResponse(200, CALLER);
  callee.answerTo = () => fakeResponse(200, CALLEE);
  return { ...all, caller, callee };
}

/** `INVITE m 4000`: through the media server, towards the party whose port that is. */
const brief = ({ sent }: FakeDialog) =>
  sent.map((line) => {
    const port = /m=audio (\d+)/.exec(line)?.[1];
    return [line.split(' ')[0], line.includes('m(') ? 'm' : '', port ?? ''].filter(Boolean).join(' ');
  });

t.test(
  'start: the media server first, then both parties; stop: both back, then the media server',
  async (t) => {
    const { call, caller, callee, media, types } = await direct();
    t.same(allowedOperations(call), ['start']);
    const { changed, recording } = await requestRecording(call, 'start', asked);
    t.ok(changed);
    t.equal(recording, call.recording?.id ?? null);
    t.equal(call.recording?.state, 'recording');
    t.same(brief(callee), ['INVITE m 4000', 'ACK']);
    t.same(brief(caller), ['INVITE m 5000', 'ACK']);
    t.same(media.asked, ['offer', 'answer', 'answer', 'startRecording']);
    t.same(allowedOperations(call), ['pause', 'stop']);
    await requestRecording(call, 'stop', asked);
    t.equal(call.media.anchored, false);
    t.same(brief(callee).slice(2), ['INVITE 4000', 'ACK']);
    t.same(brief(caller).slice(2), ['INVITE 5000', 'ACK']);
    t.same(media.asked.slice(4), ['stopRecording', 'release']);
    t.same(types().slice(3), ['recording.decided', 'recording.started', 'recording.stopped']);
    t.same(allowedOperations(call), ['start']);
  },
);

t.test('what is offered counts its version up towards each party', async (t) => {
  const { call, userAgent, callee } = await direct();
  await requestRecording(call, 'start', asked);
  await requestRecording(call, 'stop', asked);
  const origins = [userAgent.sent[0], callee.sent[0], callee.sent[2]].map(
    (line) => /o=- (\d+) (\d+)/.exec(line ?? '')?.slice(1) ?? [],
  );
  t.equal(new Set(origins.map(([id]) => id)).size, 1);
  t.same(
    origins.map(([, version]) => version),
    ['1', '2', '3'],
  );
});

t.test('pause and resume: the same recording, no re-INVITE', async (t) => {
  const { call, caller, callee, media, types, events } = await direct();
  await requestRecording(call, 'start', asked);
  const { recording } = await requestRecording(call, 'pause', { by: 'agent 7001', reason: 'card number' });
  t.equal(call.recording?.isRunning, false);
  t.same(allowedOperations(call), ['resume', 'stop']);
  t.same(await requestRecording(call, 'pause', asked), { changed: false, recording });
  await t.rejects(requestRecording(call, 'start', asked), { code: 'RECORDING_STATE', hint: /resume, stop/ });
  t.equal((await requestRecording(call, 'resume', asked)).recording, recording);
  t.same(media.asked.slice(4), ['stopRecording', 'startRecording']);
  t.equal(caller.sent.length + callee.sent.length, 4);
  t.same(types().slice(-2), ['recording.paused', 'recording.resumed']);
  t.match(events.at(-2), { by: 'agent 7001', reason: 'card number', recording });
});

t.test('a second start is a recording of its own', async (t) => {
  const { call } = await direct();
  const one = await requestRecording(call, 'start', asked);
  t.same(await requestRecording(call, 'start', asked), { ...one, changed: false });
  await requestRecording(call, 'stop', asked);
  const other = await requestRecording(call, 'start', asked);
  t.not(one.recording, other.recording);
});

for (const [party, status, does] of [
  ['callee', 488, 'refuses'],
  ['caller', 488, 'refuses'],
  // Made by our own Timer B: it has said nothing at all.
  ['callee', 408, 'does not answer'],
  ['caller', 408, 'does not answer'],
] as const) {
  const reason = status === 488 ? /refused/ : /did not answer the re-INVITE/;
  t.test(`rule 1: the ${party} ${does}: the call goes on as it was, and the recording fails`, async (t) => {
    const all = await direct();
    all[party].answerTo = () => fakeResponse(status);
    await t.rejects(requestRecording(all.call, 'start', asked), { code: 'MEDIA_NOT_MOVED', message: reason });
    t.equal(all.call.media.anchored, false);
    t.equal(all.call.state, 'answered');
    t.same(brief(all[party]), [`INVITE m ${party === 'callee' ? 4000 : 5000}`]);
    // Who had moved has come back.
    if (party === 'caller') t.same(brief(all.callee), ['INVITE m 4000', 'ACK', 'INVITE 4000', 'ACK']);
    t.match(all.events.at(-1), { type: 'recording.failed', reason });
    t.equal(all.media.asked.at(-1), 'release');
    all[party].answerTo = () => fakeResponse(200, party === 'caller' ? CALLER : CALLEE);
    await requestRecording(all.call, 'start', asked);
    t.equal(all.call.recording?.state, 'recording');
  });
}

t.test('a media server that dies when one party has moved: it comes back', async (t) => {
  const { call, caller, callee, media, events } = await direct();
  let answers = 0;
  const { answer } = media;
  media.answer = async (...given) => {
    answers += 1;
    if (answers === 2) throw new GrecError('NG_TIMEOUT', 'no reply');
    return answer(...given);
  };
  await t.rejects(requestRecording(call, 'start', asked), { code: 'NG_TIMEOUT' });
  t.same(brief(callee), ['INVITE m 4000', 'ACK', 'INVITE 4000', 'ACK']);
  t.same(brief(caller), []);
  t.equal(call.media.anchored, false);
  t.equal(call.state, 'answered');
  t.match(events.at(-1), { type: 'recording.failed' });
  t.equal(media.asked.at(-1), 'release');
});

t.test('without a media server nobody is asked anything', async (t) => {
  const { call, caller, callee, events } = await direct({ failing: ['offer'] });
  await t.rejects(requestRecording(call, 'start', asked), { code: 'NG_TIMEOUT' });
  t.same([...caller.sent, ...callee.sent], []);
  t.match(events.at(-1), { type: 'recording.failed', reason: 'no offer' });
});

t.test('a re-INVITE of a party crosses ours: it is tried again', async (t) => {
  const { call, caller, callee } = await direct();
  let times = 0;
  caller.answerTo = () => (times++ === 0 ? fakeResponse(491) : fakeResponse(200, CALLER));
  await requestRecording(call, 'start', asked);
  t.same(brief(callee), ['INVITE m 4000', 'ACK', 'INVITE 4000', 'ACK', 'INVITE m 4000', 'ACK']);
  t.same(brief(caller), ['INVITE m 5000', 'INVITE m 5000', 'ACK']);
});

t.test('a party that re-INVITEs while ours is under way gets 491, and its turn after it', async (t) => {
  const { call, caller, callee } = await direct();
  const answer = Promise.withResolvers<ReturnType<typeof fakeResponse>>();
  callee.answerTo = () => answer.promise;
  const started = requestRecording(call, 'start', asked);
  await settle();
  const early = new FakeIncoming(fakeRequest('INVITE', CALLER));
  caller.onReinvite?.(early);
  await settle();
  t.same(early.sent, ['491']);
  answer.resolve(fakeResponse(200, CALLEE));
  await started;
  const later = new FakeIncoming(fakeRequest('INVITE', CALLER));
  caller.onReinvite?.(later);
  await settle();
  t.match(later.sent, [/^200 m\(/]);
});

t.test('the call ends while it is moved: nothing is left over', async (t) => {
  const { call, caller, callee, media, released } = await direct();
  const answer = Promise.withResolvers<ReturnType<typeof fakeResponse>>();
  callee.answerTo = () => answer.promise;
  const started = requestRecording(call, 'start', asked);
  await settle();
  caller.end();
  answer.resolve(fakeResponse(200, CALLEE));
  await t.rejects(started, { code: 'MEDIA_NOT_MOVED' });
  await released;
  t.equal(media.asked.at(-1), 'release');
  t.same(allowedOperations(call), []);
  await t.rejects(requestRecording(call, 'start', asked), { code: 'RECORDING_STATE', message: /released/ });
});

t.test('a party that answers from another port is told to the other', async (t) => {
  const { call, caller, callee } = await direct();
  await requestRecording(call, 'start', asked);
  caller.answerTo = () => fakeResponse(200, describe(4444));
  await requestRecording(call, 'stop', asked);
  t.same(brief(callee).slice(2), ['INVITE 4000', 'ACK', 'INVITE 4444', 'ACK']);
});

t.test('who offers more formats is the one whose description is offered', async (t) => {
  const { call, caller, callee } = await direct({
    offer: describe(4000, '9'),
    answer: describe(5000, '9 0 8'),
  });
  await requestRecording(call, 'start', asked);
  t.same(brief(caller)[0], 'INVITE m 5000');
  t.same(brief(callee)[0], 'INVITE m 4000');
});

t.test('the agent is the party whose DN asks, else the callee', async (t) => {
  for (const [dn, agent] of [
    ['7002', '7002'],
    ['7001', '7001'],
    ['7999', '7001'],
    [undefined, '7001'],
  ]) {
    const { call, events } = await direct();
    await requestRecording(call, 'start', { ...asked, dn });
    const started = events.find(({ type }) => type === 'recording.started');
    t.match(started?.type === 'recording.started' && started.parties.find(({ role }) => role === 'agent'), {
      dn: agent,
    });
  }
});

t.test('full-time recordings are controlled the same way', async (t) => {
  const { call, media } = await answered({ offer: CALLER, answer: CALLEE });
  t.same(allowedOperations(call), ['pause', 'stop']);
  await requestRecording(call, 'pause', asked);
  await requestRecording(call, 'resume', asked);
  t.same(media.asked.slice(-2), ['stopRecording', 'startRecording']);
});
