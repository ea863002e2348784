// Within an answered call: what is carried, with what of it, and what is answered here.
import t from 'tap';
import { FakeIncoming, fakeRequest, fakeResponse } from '../testing/fake-user-agent.ts';
import { answered, settle } from './call-fixture.ts';

t.test('INFO, MESSAGE and NOTIFY are carried with the headers that say what they are', async (t) => {
  const { userAgent, invite } = await answered();
  const { dialog } = userAgent;
  dialog.answerTo = () => {
    const response = fakeResponse(202, 'ok');
    response.headers['content-type'] = 'text/plain';
    return response;
  };
  const info = new FakeIncoming(
    fakeRequest('INFO', 'x=1', {
      'content-type': 'application/x',
      'info-package': 'x',
      'max-forwards': 12,
      authorization: 'secret',
    }),
  );
  invite.dialog.onRequest?.(info);
  await settle();
  t.same([dialog.sent, info.sent], [['INFO x=1'], ['202 ok']]);
  t.match(dialog.headers[0], { 'info-package': 'x', 'max-forwards': '11', authorization: undefined });
  const notify = new FakeIncoming(
    fakeRequest('NOTIFY', '', { event: 'talk', 'subscription-state': 'terminated' }),
  );
  invite.dialog.onRequest?.(notify);
  await settle();
  t.match(dialog.headers[1], { event: 'talk', 'subscription-state': 'terminated' });
});

t.test('what has gone too far is not carried; what nobody knows is not allowed', async (t) => {
  const { userAgent, invite } = await answered();
  const asked = (method: string, headers = {}) => {
    const request = new FakeIncoming(fakeRequest(method, '', headers));
    invite.dialog.onRequest?.(request);
    return request;
  };
  const requests = [
    asked('INFO', { 'max-forwards': 0 }),
    asked('PUBLISH'),
    asked('MADEUP'),
    asked('OPTIONS'),
  ];
  await settle();
  t.same(
    requests.map(({ sent }) => sent),
    [['483'], ['405'], ['501'], ['200']],
  );
  t.same(userAgent.dialog.sent, []);
});

t.test('an UPDATE is carried as one to who takes it, as re-INVITE to who does not', async (t) => {
  const { userAgent, invite } = await answered();
  const first = new FakeIncoming(fakeRequest('UPDATE', 'one'));
  invite.dialog.onUpdate?.(first);
  await settle();
  userAgent.dialog.abilities.add('UPDATE');
  const second = new FakeIncoming(fakeRequest('UPDATE', 'two'));
  invite.dialog.onUpdate?.(second);
  await settle();
  t.same(userAgent.dialog.sent, ['INVITE m(one)', 'ACK', 'UPDATE m(two)']);
  t.same([first.sent, second.sent], [['200 m(answer)'], ['200 m(answer)']]);
});

t.test('a session refresh that changes nothing is answered here', async (t) => {
  const { userAgent, invite } = await answered();
  invite.dialog.localDescription = { type: 'application/sdp', bytes: 'as before' };
  for (const method of ['INVITE', 'UPDATE'] as const) {
    const refresh = new FakeIncoming(fakeRequest(method, 'offer'));
    (method === 'INVITE' ? invite.dialog.onReinvite : invite.dialog.onUpdate)?.(refresh);
    await settle();
    t.same(refresh.sent, ['200 as before']);
  }
  t.same(userAgent.dialog.sent, []);
});

t.test('a hold ends with its retrieval, though the party has answered both ways meanwhile', async (t) => {
  const { userAgent, invite, types } = await answered();
  const audio = (direction: string, version: number) =>
    `v=0\r\no=- 1 ${version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=${direction}\r\n`;
  const [holding, both] = [audio('sendonly', 2), audio('sendrecv', 3)];
  invite.dialog.localDescription = { type: 'application/sdp', bytes: 'as before' };
  invite.dialog.onReinvite?.(new FakeIncoming(fakeRequest('INVITE', holding)));
  await settle();
  t.equal(types().at(-1), 'call.held');
  // The other party re-INVITEs.
  invite.dialog.answerTo = () => fakeResponse(200, both);
  userAgent.dialog.onReinvite?.(new FakeIncoming(fakeRequest('INVITE', audio('sendrecv', 9))));
  await settle();
  t.equal(types().at(-1), 'call.held', 'it has not said that it holds no more');
  const back = new FakeIncoming(fakeRequest('INVITE', both));
  invite.dialog.onReinvite?.(back);
  await settle();
  t.same(back.sent, ['200 as before']);
  t.equal(types().at(-1), 'call.retrieved');
});

t.test('each party is told the other’s UUID and its own', async (t) => {
  const callee = 'b'.repeat(32);
  const { call, userAgent, invite } = await answered();
  const made = /^([0-9a-f]{32});remote=a{32}$/.exec(`${invite.options.at(-1)?.headers?.['session-id']}`)?.[1];
  t.ok(made, 'made for a callee that says nothing');
  t.equal(userAgent.options?.headers?.['session-id'], `${'a'.repeat(32)};remote=${'0'.repeat(32)}`);
  t.equal(call.headersTo('b')['session-id'], `${'a'.repeat(32)};remote=${made}`);
  call.legs.b.learn(fakeRequest('INVITE', '', { 'session-id': `${callee};remote=${'a'.repeat(32)}` }));
  t.equal(call.headersTo('a')['session-id'], `${callee};remote=${'a'.repeat(32)}`);
});
