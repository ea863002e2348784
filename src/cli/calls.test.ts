// `grec calls`, the requests and `grec events`, against a switch that says what it is told to.
import t, { type Test } from 'tap';
import { loadConfig } from '../config.ts';
import { type ControlRoutes, ControlStream, serveControl, socketOf } from '../control.ts';
import { GrecError } from '../errors.ts';
import { emptyState, grec, type State } from './fixtures/state.ts';

const CALL = {
  call: '01920000-0000-7000-8000-00001a2b3c4d',
  from: '+49301234',
  to: '7001',
  state: 'answered',
  held: ['7001'],
  anchored: true,
  recording: '01920000-0000-7000-8000-0000aaaabbbb',
  recordingState: 'paused',
  operations: ['resume', 'stop'],
  startedAt: new Date(Date.now() - 65_000).toISOString(),
};

async function withSwitch(t: Test, routes: ControlRoutes): Promise<State> {
  const state = emptyState(t);
  const server = await serveControl(socketOf(loadConfig({ file: state.configFile }), 'grec-sipd'), routes);
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return state;
}

t.test('calls in a table, as JSON, and none', async (t) => {
  const state = await withSwitch(t, {
    'GET /calls': ({ query }) => ({ calls: query.get('dn') === '7009' ? [] : [CALL] }),
  });
  const { code, out } = await grec(state, ['calls']);
  t.equal(code, 0);
  t.match(
    out,
    /^1a2b3c4d {2}\S+ \S+ +1:0\d {2}\+49301234 → 7001 {2}answered, held by 7001 {2}anchored {2}paused +resume stop$/m,
  );
  t.strictSame(JSON.parse((await grec(state, ['calls', '--json'])).out), [CALL]);
  const none = await grec(state, ['calls', '--dn', '7009']);
  t.strictSame([none.code, none.out, none.err], [0, '', 'no calls\n']);
});

t.test('a request says who asks and why; what is so already is no error', async (t) => {
  const asked: unknown[] = [];
  const state = await withSwitch(t, {
    'POST /calls/:call/recording': ({ params, body }) => {
      asked.push([params['call'], body]);
      return { ...CALL, changed: asked.length === 1 };
    },
  });
  const { code, out } = await grec(state, ['pause', '7001', '--reason', 'card number']);
  t.strictSame([code, out], [0, 'call 1a2b3c4d, +49301234 → 7001, is paused, recording aaaabbbb\n']);
  t.match(asked, [['7001', { operation: 'pause', reason: 'card number', by: /^operator \S+/ }]]);
  t.match((await grec(state, ['pause', '7001'])).out, /\(it was so already\)\n$/);
  t.match(JSON.parse((await grec(state, ['resume', 'x', '--json'])).out), {
    call: CALL.call,
    changed: false,
  });
});

t.test('refusals keep their message and exit status', async (t) => {
  const state = await withSwitch(t, {
    'POST /calls/:call/recording': ({ params }) => {
      if (params['call'] === '7001')
        throw new GrecError('CALL_UNKNOWN', 'there is no call 7001 now', { hint: 'look' });
      throw new GrecError('MEDIA_NOT_MOVED', 'the caller refused');
    },
  });
  const unknown = await grec(state, ['stop', '7001']);
  t.equal(unknown.code, 3);
  t.match(unknown.err, /there is no call 7001 now[\s\S]*look/);
  t.equal((await grec(state, ['start', '7002'])).code, 1);
  t.equal((await grec(state, ['start', ''])).code, 2);
  t.equal((await grec(emptyState(t), ['calls'])).code, 4);
});

t.test('events, until the switch ends them', async (t) => {
  const event = {
    seq: 1,
    at: 1_790_000_000_000_000,
    daemon: 'grec-sipd',
    type: 'call.released',
    call: CALL.call,
    by: 'a',
  };
  const state = await withSwitch(t, {
    'GET /events': () =>
      new ControlStream(async function* () {
        yield event;
        yield { ...event, type: 'evil\u001b[2J' };
      }),
  });
  const { code, out, err } = await grec(state, ['events']);
  t.equal(code, 1);
  t.match(err, /ended the stream/);
  t.match(out, /1a2b3c4d {2}call\.released {2}by=a\n/);
  t.notMatch(out, '\u001b');
  t.strictSame(JSON.parse((await grec(state, ['events', '--json'])).out.split('\n')[0] ?? ''), event);
});
