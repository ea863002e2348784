// A user agent that was killed goes on with its dialogs in another life: both ways, and to the end.
import t from 'tap';
import { silentLogger } from '../log.ts';
import { createUserAgent, type Dialog, type IncomingRequest } from './user-agent.ts';
import { connectCall, newAgent } from './user-agent-fixture.ts';

const sdp = (bytes: string) => ({ type: 'application/sdp', bytes });

/** The side that is killed lives on as another user agent at the same port. */
async function secondLife(
  t: { teardown(run: () => unknown): void },
  side: 'caller' | 'callee',
  meanwhile: (far: Dialog) => unknown = () => undefined,
) {
  const { caller, callee, callerAgent, calleeAgent } = await connectCall(t);
  const [near, agent, far] =
    side === 'caller' ? [caller, callerAgent, callee] : [callee, calleeAgent, caller];
  far.onReinvite = (request) => request.respond(200, { body: sdp('answer') });
  const { ack } = await near.reinvite({ body: sdp('offer') });
  ack();
  const stored = JSON.parse(JSON.stringify(near.store()));
  // What follows is not in what was stored.
  await near.request('INFO');
  const { port } = agent.listening[0] ?? { port: 0 };
  await agent.close();
  await meanwhile(far);
  const again = await createUserAgent({
    listen: [{ protocol: 'udp', host: '127.0.0.1', port }],
    log: silentLogger(),
    product: 'second life',
    onInvite: (invite) => invite.respond(486),
    onRequest: (request) => request.respond(405),
    timers: { t1: 50, t2: 200, t4: 100 },
  });
  t.teardown(() => again.close());
  return { near: again.restoreDialog(stored), far, stored, agent: again };
}

for (const side of ['caller', 'callee'] as const) {
  t.test(`the ${side} goes on`, async (t) => {
    const { near, far, stored, agent } = await secondLife(t, side);
    t.match(near, { role: side, state: 'confirmed', callId: far.callId, localTag: far.remoteTag });
    t.equal(near.localDescription?.bytes, 'offer');
    far.onRequest = (request) => request.respond(200);
    t.equal((await near.request('INFO')).status, 200, 'its requests are new to the peer');
    const asked: string[] = [];
    near.onRequest = (request: IncomingRequest) => {
      asked.push(request.message.method);
      request.respond(200);
    };
    t.equal((await far.request('MESSAGE')).status, 200);
    t.same(asked, ['MESSAGE']);
    near.onReinvite = (request) => request.respond(200, { body: sdp('later') });
    const { response, ack } = await far.reinvite({ body: sdp('hold') });
    ack();
    t.equal(response.body.toString(), 'later');
    t.equal(agent.findDialog(near.callId, near.localTag, near.remoteTag), near);
    const ended = new Promise<string>((resolve) => {
      near.onEnd = ({ by }) => resolve(by);
    });
    await far.bye();
    t.equal(await ended, 'remote');
    t.same(near.store().data.callId, stored.data.callId);
  });
}

t.test('a peer that has hung up meanwhile says so, and the dialog is over', async (t) => {
  const { near } = await secondLife(t, 'caller', (far) => far.bye());
  const ended = new Promise<string>((resolve) => {
    near.onEnd = ({ by }) => resolve(by);
  });
  t.equal((await near.request('OPTIONS')).status, 481);
  t.equal(await ended, 'timeout');
});

t.test('parameters keep to their names, and flags stay flags', async (t) => {
  const { agent } = await newAgent(t, {});
  const { caller } = await connectCall(t);
  const stored = caller.store();
  const routed = {
    ...stored,
    data: {
      ...stored.data,
      routeSet: [{ name: undefined, uri: 'sip:proxy;lr', params: { flag: null, x: 'y' } }],
    },
  };
  const dialog: Dialog = agent.restoreDialog(JSON.parse(JSON.stringify(routed)));
  const [route] = dialog.store().data.routeSet;
  t.same({ ...route?.params }, { flag: null, x: 'y' });
  t.notOk('toString' in (route?.params ?? { toString: 1 }));
});
