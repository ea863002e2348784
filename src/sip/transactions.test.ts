// Which message belongs to which transaction, and what goes on the wire (RFC 3261 sections 9, 17.1.1.3, 17.1.3, 17.2.3).
import t from 'tap';
import { buildCancel } from './client-requests.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { makeResponse } from './response.ts';
import {
  FLOW,
  INVITE,
  inviteWith,
  ManualClock,
  RecordingChannel,
  request,
  requestText,
  response,
  responseText,
  TIMERS,
} from './transaction-fixture.ts';
import { type ServerTransaction, Transactions } from './transactions.ts';

function start({ limit = 100, reliable = false, expected = false } = {}) {
  const clock = new ManualClock();
  const channel = new RecordingChannel(clock, reliable);
  const counted: string[] = [];
  const requests: ServerTransaction[] = [];
  const acks: SipRequest[] = [];
  const transactions = new Transactions({
    clock,
    timers: TIMERS,
    limit,
    count: (reason) => void counted.push(reason),
    answerWithoutState: () => undefined,
    isExpected: () => expected,
    onRequest: (transaction) => void requests.push(transaction),
    onAck: (ack) => void acks.push(ack),
  });
  const receive = (text: string) => transactions.receiveRequest(request(text), FLOW, channel);
  return { clock, channel, counted, requests, acks, transactions, receive };
}

function send(transactions: Transactions, channel: RecordingChannel, text: string) {
  const told: (number | string)[] = [];
  const message = request(text);
  transactions.request(message, channel, {
    onResponse: ({ status }: SipResponse) => void told.push(status),
    onFailure: (failure) => void told.push(failure),
  });
  const via = /Via: (.*)\r/i.exec(channel.sent.at(-1)?.text ?? '')?.[1] ?? '';
  return { message, told, via };
}

const headerOf = (text: string, name: string) => new RegExp(`^${name}: (.*)\\r$`, 'im').exec(text)?.[1];

t.test('an INVITE is answered 100 at once, a copy of it too, and is handed over once', async (t) => {
  const { channel, requests, receive } = start();
  receive(INVITE);
  receive(INVITE);
  t.same(channel.starts, ['SIP/2.0 100 Trying', 'SIP/2.0 100 Trying']);
  t.equal(requests.length, 1);
  t.notMatch(headerOf(channel.sent[0]?.text ?? '', 'to'), 'tag=');
});

t.test('the same branch from another sent-by, or with another method, is another transaction', async (t) => {
  const { requests, receive } = start();
  receive(INVITE);
  receive(inviteWith(['client.atlanta.example.com:5060;', 'CLIENT.atlanta.example.com;']));
  t.equal(requests.length, 1, 'case and the default port do not count');
  receive(inviteWith(['client.atlanta.example.com:5060', 'client.atlanta.example.com:5062']));
  receive(inviteWith(['client.atlanta.example.com:5060', 'other.example.com:5060']));
  receive(requestText('OPTIONS', 'z9hG4bK74bf9'));
  t.equal(requests.length, 4);
});

t.test('a branch of RFC 2543 is dropped and counted', async (t) => {
  const { requests, counted, channel, receive } = start();
  receive(inviteWith(['z9hG4bK74bf9', '1']));
  t.same([requests.length, channel.sent.length, counted], [0, 0, ['branch-rfc2543']]);
});

t.test(
  'the ACK of a failure ends its retransmission; the ACK of a 2xx goes on, whatever its branch',
  async (t) => {
    const { clock, channel, requests, acks, receive } = start();
    receive(INVITE);
    requests[0]?.respond(makeResponse(requests[0].request, 486, { toTag: 'x' }));
    receive(requestText('ACK', 'z9hG4bK74bf9'));
    clock.advance(4000);
    t.same(channel.starts, ['SIP/2.0 100 Trying', 'SIP/2.0 486 Busy Here']);
    t.equal(acks.length, 0);

    receive(requestText('ACK', 'z9hG4bKother'));
    t.equal(acks.length, 1, 'its own branch, as RFC 3261 has it');

    receive(inviteWith(['z9hG4bK74bf9', 'z9hG4bKsecond']));
    const second = requests[1];
    const heard: string[] = [];
    second?.listen({ onAck: (ack) => void heard.push(ack.method), onTransportError: () => {} });
    second?.respond(makeResponse(second.request, 200, { toTag: 'x' }));
    receive(requestText('ACK', 'z9hG4bKsecond'));
    t.same(heard, ['ACK'], 'the branch of the INVITE, as older phones have it');
  },
);

t.test('over TCP a failure is sent once', async (t) => {
  const { clock, channel, requests, receive } = start({ reliable: true });
  receive(INVITE);
  requests[0]?.respond(makeResponse(requests[0].request, 486, { toTag: 'x' }));
  clock.advance(40_000);
  t.same(channel.starts, ['SIP/2.0 100 Trying', 'SIP/2.0 486 Busy Here']);
});

t.test('what is retransmitted does not show later changes of the message', async (t) => {
  const { clock, channel, transactions, requests, receive } = start();
  const { message } = send(transactions, channel, requestText('OPTIONS'));
  message.headers['x-later'] = 'changed';
  message.headers.to.params['tag'] = 'changed';
  clock.advance(500);
  t.equal(channel.sent[1]?.text, channel.sent[0]?.text);

  receive(INVITE);
  const answer = makeResponse(requests[0]?.request ?? message, 486, { toTag: 'x' });
  requests[0]?.respond(answer);
  answer.headers['x-later'] = 'changed';
  const before = channel.sent.length;
  receive(INVITE);
  t.equal(channel.sent[before]?.text, channel.sent[before - 1]?.text);
});

t.test('our Via: the address to reach us at, rport, and a branch of 128 random bits', async (t) => {
  const { channel, transactions } = start();
  const branches = new Set<string>();
  for (let count = 0; count < 100; count++) {
    const { via } = send(transactions, channel, requestText('OPTIONS'));
    t.match(via, /^SIP\/2\.0\/UDP 192\.0\.2\.1:5060;branch=z9hG4bK[0-9a-f]{32};rport$/);
    branches.add(via);
  }
  t.equal(branches.size, 100);
  transactions.close();
});

t.test('a response is matched by branch and method of CSeq; any other is counted', async (t) => {
  const { channel, transactions, counted } = start();
  const { via, told } = send(transactions, channel, requestText('OPTIONS'));
  const receive = (text: string) => transactions.receiveResponse(response(text), FLOW);
  receive(responseText('200 OK', via, 'INFO'));
  receive(responseText('200 OK', `${via}, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKy`, 'OPTIONS'));
  receive(responseText('200 OK', via.replace('z9hG4bK', 'z9hG4bK0'), 'OPTIONS'));
  t.same(told, []);
  t.same(counted, ['response-unmatched', 'response-unmatched', 'response-unmatched']);
  receive(responseText('200 OK', via, 'OPTIONS'));
  t.same(told, [200]);
});

t.test('the ACK of a failure: branch, Request-URI and Route of the INVITE, To of the response', async (t) => {
  const { channel, transactions } = start();
  const routed = `${INVITE}\nRoute: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\nContent-Type: text/plain`;
  const { via, told } = send(transactions, channel, routed);
  transactions.receiveResponse(response(responseText('486 Busy Here', via)), FLOW);
  t.same(told, [486]);
  const ack = channel.sent[1]?.text ?? '';
  t.match(ack, /^ACK sip:bob@biloxi\.example\.com SIP\/2\.0\r\n/);
  t.equal(headerOf(ack, 'via'), via);
  t.equal(headerOf(ack, 'cseq'), '1 ACK');
  t.match(headerOf(ack, 'to'), /tag=8321234356$/);
  t.match(headerOf(ack, 'from'), /tag=9fxced76sl$/);
  t.match(headerOf(ack, 'max-forwards'), '70');
  const routes = [...ack.matchAll(/^route: (.*)\r$/gim)].map(([, value]) => value).join(', ');
  t.match(routes, /p1\.example\.com;lr.*p2\.example\.com;lr/);
  t.equal(headerOf(ack, 'content-type'), undefined);
});

t.test('CANCEL: branch, number, To and Route of its INVITE; its own transaction', async (t) => {
  const { clock, channel, transactions } = start();
  const { message, via, told } = send(transactions, channel, `${INVITE}\nRoute: <sip:p1.example.com;lr>`);
  transactions.receiveResponse(response(responseText('180 Ringing', via)), FLOW);
  const cancelled: number[] = [];
  transactions.request(buildCancel(message, 'SIP;cause=200'), channel, {
    onResponse: ({ status }) => void cancelled.push(status),
    onFailure: () => {},
  });
  const cancel = channel.sent[1]?.text ?? '';
  t.match(cancel, /^CANCEL sip:bob@biloxi\.example\.com SIP\/2\.0\r\n/);
  t.equal(headerOf(cancel, 'via'), via);
  t.equal(headerOf(cancel, 'cseq'), '1 CANCEL');
  t.equal(headerOf(cancel, 'reason'), 'SIP;cause=200');
  t.match(headerOf(cancel, 'route'), 'p1.example.com');
  t.notMatch(headerOf(cancel, 'to'), 'tag=');
  transactions.receiveResponse(response(responseText('200 OK', via, 'CANCEL')), FLOW);
  transactions.receiveResponse(response(responseText('487 Request Terminated', via)), FLOW);
  t.same([told, cancelled], [[180, 487], [200]]);
  clock.advance(40_000);
  t.equal(clock.pending, 0);
});

t.test('a CANCEL finds the INVITE of its branch and sent-by', async (t) => {
  const { transactions, requests, receive } = start();
  receive(INVITE);
  const find = (text: string) => transactions.inviteOf(request(text));
  t.equal(find(requestText('CANCEL', 'z9hG4bK74bf9')), requests[0]);
  t.equal(find(requestText('CANCEL', 'z9hG4bKother')), undefined);
});

t.test('a request that came by two ways is merged for as long as the first lives', async (t) => {
  const { clock, transactions, requests, receive } = start();
  receive(requestText('OPTIONS', 'z9hG4bKone'));
  receive(requestText('OPTIONS', 'z9hG4bKtwo'));
  const [first, second] = requests;
  if (first === undefined || second === undefined) return t.fail('two transactions expected');
  t.equal(transactions.isMerged(first), false);
  t.equal(transactions.isMerged(second), true);
  clock.advance(32_000);
  receive(requestText('OPTIONS', 'z9hG4bKthree'));
  t.equal(requests[2] && transactions.isMerged(requests[2]), false);
});

t.test(
  'over the limit: 503 without state, but for what belongs to a call, up to twice the limit',
  async (t) => {
    const flood = start({ limit: 10 });
    for (let count = 0; count < 1000; count++)
      flood.receive(requestText('OPTIONS', `z9hG4bK${count}`, count + 1));
    t.equal(flood.requests.length, 10);
    t.equal(flood.transactions.size, 10);
    t.equal(flood.counted.length, 990);
    const refusal = flood.channel.sent.at(-1)?.text ?? '';
    t.match(refusal, /^SIP\/2\.0 503 Service Unavailable\r\n/);
    t.equal(headerOf(refusal, 'retry-after'), '5');
    t.match(headerOf(refusal, 'to'), 'tag=');
    flood.clock.advance(32_000);
    t.equal(flood.transactions.size, 0);

    const calls = start({ limit: 10, expected: true });
    for (let count = 0; count < 1000; count++)
      calls.receive(requestText('BYE', `z9hG4bK${count}`, count + 1));
    t.equal(calls.requests.length, 20);
  },
);

t.test('the refusal of a request has the same tag each time', async (t) => {
  const { channel, receive } = start({ limit: 0 });
  receive(INVITE);
  receive(INVITE);
  t.equal(channel.sent[0]?.text, channel.sent[1]?.text);
});

t.test('a late response is refused and counted', async (t) => {
  const { requests, counted, receive } = start();
  receive(requestText('OPTIONS'));
  const [first] = requests;
  t.equal(first?.respond(makeResponse(first.request, 200)), true);
  t.equal(first?.respond(makeResponse(first.request, 500)), false);
  t.same(counted, ['response-late']);
});

t.test('close: requests under way fail, nothing is left', async (t) => {
  const { clock, channel, transactions, requests, receive } = start();
  const { told } = send(transactions, channel, INVITE);
  receive(requestText('OPTIONS'));
  receive(INVITE);
  transactions.close();
  t.same(told, ['transport']);
  t.equal(transactions.size, 0);
  t.equal(clock.pending, 0);
  receive(requestText('OPTIONS', 'z9hG4bKnew'));
  t.equal(requests.length, 2);
});

t.test('an INVITE whose 2xx has been acknowledged is known again, and says nothing more', async (t) => {
  const { channel, requests, acks, receive, transactions } = start();
  receive(INVITE);
  const [transaction] = requests;
  transaction?.respond(makeResponse(transaction.request, 200, { toTag: 'x' }));
  transaction?.settle();
  const sent = channel.sent.length;
  receive(INVITE);
  transaction?.repeatSuccess();
  t.equal(channel.sent.length, sent);
  t.equal(requests.length, 1);
  receive(inviteWith(['INVITE', 'ACK']));
  t.equal(acks.length, 0, 'an ACK in its branch belongs to it');
  t.equal(channel.sent.length, sent);
  t.same(transactions.inviteOf(request(requestText('CANCEL', 'z9hG4bK74bf9')))?.flow, FLOW);
});

t.test(
  'the final response of another request is repeated byte for byte as long as it may come again',
  async (t) => {
    const { channel, requests, clock, receive } = start();
    const options = requestText('OPTIONS', 'z9hG4bK1');
    receive(options);
    const [transaction] = requests;
    transaction?.respond(makeResponse(transaction.request, 200, { toTag: 'x', headers: { subject: 'ü' } }));
    receive(options);
    clock.advance(31_000);
    receive(options);
    t.equal(channel.sent.length, 3);
    t.equal(new Set(channel.sent.map(({ text }) => text)).size, 1);
  },
);
