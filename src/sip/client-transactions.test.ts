// The client transactions' ladders: every timer of RFC 3261 table 4, over UDP and over TCP.
import t from 'tap';
import { ClientInvite } from './client-invite.ts';
import { ClientNonInvite } from './client-non-invite.ts';
import type { SipResponse } from './message.ts';
import {
  FLOW,
  ManualClock,
  RecordingChannel,
  response,
  responseText,
  TIMERS,
} from './transaction-fixture.ts';

const VIA = 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx';
const REQUEST = Buffer.from('the request');

function answer(status: number, method = 'INVITE'): SipResponse {
  return response(responseText(`${status} Text`, VIA, method));
}

function start(kind: 'INVITE' | 'OPTIONS', reliable: boolean) {
  const clock = new ManualClock();
  const channel = new RecordingChannel(clock, reliable);
  const told: (number | string)[] = [];
  const core = {
    clock,
    timers: TIMERS,
    onResponse: ({ status }: SipResponse) => void told.push(status),
    onFailure: (failure: string) => void told.push(failure),
    onTerminated: () => void told.push('end'),
    encodeAck: ({ status }: SipResponse) => Buffer.from(`ACK to ${status}`),
  };
  const transaction =
    kind === 'INVITE'
      ? new ClientInvite(channel, REQUEST, core)
      : new ClientNonInvite(channel, REQUEST, core);
  transaction.start();
  const receive = (status: number) => transaction.receive(answer(status, kind), FLOW);
  return { clock, channel, told, transaction, receive };
}

t.test('INVITE over UDP: timer A doubles from T1 without a cap, timer B ends it after 64*T1', async (t) => {
  const { clock, channel, told, transaction } = start('INVITE', false);
  clock.advance(31_999);
  t.same(channel.times, [0, 500, 1500, 3500, 7500, 15500, 31500]);
  t.ok(channel.sent.every(({ text }) => text === 'the request'));
  t.equal(transaction.state, 'calling');
  clock.advance(1);
  t.same(told, ['end', 'timeout']);
  t.equal(clock.pending, 0);
});

t.test('INVITE over TCP: sent once, timer B all the same', async (t) => {
  const { clock, channel, told } = start('INVITE', true);
  clock.advance(32_000);
  t.same(channel.times, [0]);
  t.same(told, ['end', 'timeout']);
  t.equal(clock.pending, 0);
});

t.test('INVITE: a provisional response ends timers A and B for good', async (t) => {
  const { clock, channel, told, receive, transaction } = start('INVITE', false);
  clock.advance(600);
  receive(100);
  receive(180);
  clock.advance(600_000);
  t.same(channel.times, [0, 500]);
  t.same(told, [100, 180]);
  t.equal(transaction.state, 'proceeding');
  t.equal(clock.pending, 0);
});

t.test(
  'INVITE over UDP: a failure is acknowledged each time it comes, until timer D, and told once',
  async (t) => {
    const { clock, channel, told, receive, transaction } = start('INVITE', false);
    receive(486);
    receive(486);
    clock.advance(31_999);
    receive(486);
    t.same(channel.starts.length, 4);
    t.same(
      channel.sent.slice(1).map(({ text }) => text),
      ['ACK to 486', 'ACK to 486', 'ACK to 486'],
    );
    t.equal(transaction.state, 'completed');
    clock.advance(1);
    t.same(told, [486, 'end']);
    t.equal(clock.pending, 0);
  },
);

t.test('INVITE over TCP: timer D is zero', async (t) => {
  const { clock, channel, told, receive, transaction } = start('INVITE', true);
  receive(486);
  t.equal(transaction.state, 'terminated');
  t.same(
    channel.sent.map(({ text }) => text),
    ['the request', 'ACK to 486'],
  );
  receive(486);
  t.same(told, ['end', 486]);
  t.equal(clock.pending, 0);
});

for (const reliable of [false, true]) {
  t.test(
    `INVITE ${reliable ? 'TCP' : 'UDP'}: every 2xx goes to the core until timer M (RFC 6026)`,
    async (t) => {
      const { clock, channel, told, receive, transaction } = start('INVITE', reliable);
      receive(180);
      receive(200);
      receive(200);
      receive(180);
      receive(486);
      t.equal(transaction.state, 'accepted');
      clock.advance(31_999);
      receive(200);
      clock.advance(1);
      receive(200);
      t.same(told, [180, 200, 200, 200, 'end']);
      t.equal(channel.sent.length, 1, 'no ACK is sent here');
      t.equal(clock.pending, 0);
    },
  );
}

t.test('INVITE: a transport error is told once, and only before a response', async (t) => {
  const { clock, channel, told } = start('INVITE', false);
  channel.fail();
  channel.fail();
  t.same(told, ['end', 'transport']);
  t.equal(clock.pending, 0);
  const late = start('INVITE', false);
  late.receive(180);
  late.channel.fail();
  t.same(late.told, [180]);
});

t.test('non-INVITE over UDP: timer E doubles to T2 and no further, timer F ends it', async (t) => {
  const { clock, channel, told } = start('OPTIONS', false);
  clock.advance(31_999);
  t.same(channel.times, [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
  clock.advance(1);
  t.same(told, ['end', 'timeout']);
  t.equal(clock.pending, 0);
});

t.test('non-INVITE over UDP: after a 1xx timer E is T2, timer F still ends it', async (t) => {
  const { clock, channel, told, receive, transaction } = start('OPTIONS', false);
  clock.advance(1000);
  receive(100);
  t.equal(transaction.state, 'proceeding');
  receive(100);
  clock.advance(30_999);
  t.same(channel.times, [0, 500, 5000, 9000, 13000, 17000, 21000, 25000, 29000]);
  clock.advance(1);
  t.same(told, [100, 100, 'end', 'timeout']);
  t.equal(clock.pending, 0);
});

t.test('non-INVITE: a final response after a 1xx is told', async (t) => {
  const { clock, told, receive } = start('OPTIONS', false);
  receive(100);
  receive(200);
  receive(200);
  clock.advance(4999);
  t.same(told, [100, 200]);
  clock.advance(1);
  t.same(told, [100, 200, 'end'], 'timer K is T4');
  t.equal(clock.pending, 0);
});

t.test('non-INVITE over TCP: sent once, timer K is zero', async (t) => {
  const { clock, channel, told, receive, transaction } = start('OPTIONS', true);
  clock.advance(20_000);
  receive(200);
  t.same(channel.times, [0]);
  t.equal(transaction.state, 'terminated');
  t.same(told, ['end', 200]);
  t.equal(clock.pending, 0);
});

t.test('non-INVITE over TCP: timer F', async (t) => {
  const { clock, told } = start('OPTIONS', true);
  clock.advance(32_000);
  t.same(told, ['end', 'timeout']);
});

t.test('non-INVITE: a transport error is told once, in proceeding too', async (t) => {
  const { clock, channel, told, receive } = start('OPTIONS', false);
  receive(100);
  channel.fail();
  channel.fail();
  t.same(told, [100, 'end', 'transport']);
  t.equal(clock.pending, 0);
});
