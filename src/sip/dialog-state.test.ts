// Dialogs from literal messages: route set, target, numbers, strict and loose routing (RFC 3261 sections 12.1, 12.2).
import t from 'tap';
import { dialogOfCallee, dialogOfCaller, nextHop, requestInDialog } from './dialog-state.ts';
import { INVITE, inviteWith, request, response, responseText } from './transaction-fixture.ts';

const VIA = 'SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9';
const OK = responseText('200 OK', VIA);

function caller(extra = '') {
  return dialogOfCaller(request(INVITE), response(`${OK}${extra}`));
}

t.test('the caller: From is local, To with its tag remote, the Contact of the 2xx the target', async (t) => {
  const dialog = caller();
  t.match(dialog, {
    callId: '3848276298220188511@atlanta.example.com',
    localTag: '9fxced76sl',
    remoteTag: '8321234356',
    local: { uri: 'sip:alice@atlanta.example.com' },
    remote: { uri: 'sip:bob@biloxi.example.com' },
    remoteTarget: 'sip:bob@192.0.2.2',
    routeSet: [],
    localSeq: 1,
    remoteSeq: undefined,
  });
});

t.test('the callee: To is local, From remote, the Contact of the INVITE the target', async (t) => {
  const dialog = dialogOfCallee(request(INVITE), 'mytag');
  t.match(dialog, {
    localTag: 'mytag',
    remoteTag: '9fxced76sl',
    local: { uri: 'sip:bob@biloxi.example.com', params: { tag: 'mytag' } },
    remote: { uri: 'sip:alice@atlanta.example.com', params: { tag: '9fxced76sl' } },
    remoteTarget: 'sip:alice@client.atlanta.example.com',
    localSeq: 0,
    remoteSeq: 1,
  });
});

t.test('Record-Route: in reverse for the caller, in order for the callee', async (t) => {
  const recorded = '\nRecord-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>';
  t.match(caller(recorded).routeSet, [{ uri: 'sip:p2.example.com;lr' }, { uri: 'sip:p1.example.com;lr' }]);
  const callee = dialogOfCallee(request(`${INVITE}${recorded}`), 'x');
  t.match(callee.routeSet, [{ uri: 'sip:p1.example.com;lr' }, { uri: 'sip:p2.example.com;lr' }]);
});

t.test('no route: the target is Request-URI and next hop', async (t) => {
  const bye = requestInDialog(caller(), 'BYE', 2);
  t.equal(bye.uri, 'sip:bob@192.0.2.2');
  t.equal(bye.headers.route, undefined);
  t.equal(nextHop(bye), 'sip:bob@192.0.2.2');
  t.same(bye.headers.cseq, { seq: 2, method: 'BYE' });
  t.match(bye.headers, { from: { params: { tag: '9fxced76sl' } }, to: { params: { tag: '8321234356' } } });
});

t.test('loose routing: the target stays in the Request-URI, the first route is the next hop', async (t) => {
  const bye = requestInDialog(
    caller('\nRecord-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>'),
    'BYE',
    2,
  );
  t.equal(bye.uri, 'sip:bob@192.0.2.2');
  t.match(bye.headers.route, [{ uri: 'sip:p1.example.com;lr' }, { uri: 'sip:p2.example.com;lr' }]);
  t.equal(nextHop(bye), 'sip:p1.example.com;lr');
});

t.test(
  'strict routing: the first route is Request-URI and next hop, the target the last route',
  async (t) => {
    const recorded = '\nRecord-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;method=INVITE>';
    const bye = requestInDialog(caller(recorded), 'BYE', 2);
    t.equal(bye.uri, 'sip:p1.example.com');
    t.match(bye.headers.route, [{ uri: 'sip:p2.example.com;lr' }, { uri: 'sip:bob@192.0.2.2' }]);
    t.equal(nextHop(bye), 'sip:p2.example.com;lr', 'a loose router behind it takes the request');
  },
);

t.test('a 2xx without Contact leaves the Request-URI as target', async (t) => {
  const bare = OK.replace(/\n.*Contact:.*/, '');
  t.equal(dialogOfCaller(request(INVITE), response(bare)).remoteTarget, 'sip:bob@biloxi.example.com');
});

t.test('an IPv6 target keeps its brackets', async (t) => {
  const invite = inviteWith(['<sip:alice@client.atlanta.example.com>', '<sip:alice@[2001:db8::9]:5070>']);
  const bye = requestInDialog(dialogOfCallee(request(invite), 'x'), 'BYE', 1);
  t.equal(bye.uri, 'sip:alice@[2001:db8::9]:5070');
});
