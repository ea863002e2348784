// The server transactions' ladders: every timer of RFC 3261 table 4, over UDP and over TCP.
import t from 'tap';
import { ServerInvite } from './server-invite.ts';
import { ServerNonInvite } from './server-non-invite.ts';
import { ManualClock, RecordingChannel, request, requestText, TIMERS } from './transaction-fixture.ts';

const ACK = request(requestText('ACK'));

function start(reliable: boolean) {
  const clock = new ManualClock();
  const channel = new RecordingChannel(clock, reliable);
  const told: string[] = [];
  const core = { clock, timers: TIMERS, onTerminated: () => void told.push('end') };
  return { clock, channel, told, core };
}

function startInvite(reliable: boolean) {
  const { clock, channel, told, core } = start(reliable);
  const transaction = new ServerInvite(channel, core);
  transaction.listener = {
    onAck: () => void told.push('ack'),
    onTransportError: () => void told.push('transport'),
  };
  const respond = (status: number) => transaction.respond(status, Buffer.from(`${status}`));
  return { clock, channel, told, transaction, respond };
}

function startOther(reliable: boolean) {
  const { clock, channel, told, core } = start(reliable);
  const transaction = new ServerNonInvite(channel, core);
  const respond = (status: number) => transaction.respond(status, Buffer.from(`${status}`));
  return { clock, channel, told, transaction, respond };
}

const texts = (channel: RecordingChannel) => channel.sent.map(({ text }) => text);

t.test('INVITE: a request that comes again gets the last provisional response again', async (t) => {
  const { clock, channel, respond, transaction } = startInvite(false);
  transaction.receiveAgain();
  respond(100);
  respond(180);
  transaction.receiveAgain();
  t.same(texts(channel), ['100', '180', '180']);
  clock.advance(600_000);
  t.equal(transaction.state, 'proceeding', 'only its user ends it');
  t.equal(clock.pending, 0);
});

t.test('INVITE over UDP: timer G doubles to T2, timer H ends it after 64*T1 without ACK', async (t) => {
  const { clock, channel, told, respond, transaction } = startInvite(false);
  respond(486);
  clock.advance(31_999);
  t.same(channel.times, [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
  t.equal(transaction.state, 'completed');
  clock.advance(1);
  t.same(told, ['end']);
  t.equal(clock.pending, 0);
});

t.test('INVITE over TCP: a failure is sent once, timer H all the same', async (t) => {
  const { clock, channel, told, respond } = startInvite(true);
  respond(486);
  clock.advance(32_000);
  t.same(channel.times, [0]);
  t.same(told, ['end']);
  t.equal(clock.pending, 0);
});

t.test('INVITE over UDP: the ACK ends retransmission, timer I (T4) absorbs further ACKs', async (t) => {
  const { clock, channel, told, respond, transaction } = startInvite(false);
  respond(486);
  clock.advance(600);
  transaction.receiveAck(ACK);
  t.equal(transaction.state, 'confirmed');
  transaction.receiveAck(ACK);
  transaction.receiveAgain();
  clock.advance(4999);
  t.same(channel.times, [0, 500]);
  t.same(told, []);
  clock.advance(1);
  t.same(told, ['end']);
  t.equal(clock.pending, 0);
});

t.test('INVITE over TCP: timer I is zero', async (t) => {
  const { clock, told, respond, transaction } = startInvite(true);
  respond(486);
  transaction.receiveAck(ACK);
  t.equal(transaction.state, 'terminated');
  t.same(told, ['end']);
  t.equal(clock.pending, 0);
});

for (const reliable of [false, true]) {
  t.test(
    `INVITE ${reliable ? 'TCP' : 'UDP'}: after a 2xx, INVITEs are absorbed and ACKs told, until timer L (RFC 6026)`,
    async (t) => {
      const { clock, channel, told, respond, transaction } = startInvite(reliable);
      t.equal(respond(200), true);
      transaction.receiveAgain();
      t.same(texts(channel), ['200']);
      transaction.repeatSuccess();
      t.same(texts(channel), ['200', '200']);
      transaction.receiveAck(ACK);
      clock.advance(31_999);
      t.equal(transaction.state, 'accepted');
      clock.advance(1);
      t.same(told, ['ack', 'end']);
      transaction.repeatSuccess();
      t.equal(channel.sent.length, 2);
      t.equal(clock.pending, 0);
    },
  );
}

t.test('INVITE: a response after the final one is refused', async (t) => {
  const { channel, respond } = startInvite(false);
  t.equal(respond(486), true);
  t.equal(respond(200), false);
  t.equal(respond(180), false);
  t.same(texts(channel), ['486']);
});

t.test('INVITE: a response that cannot be sent is told, and the transaction goes on', async (t) => {
  const { channel, told, respond, transaction } = startInvite(false);
  respond(180);
  channel.fail();
  t.same(told, ['transport']);
  t.equal(transaction.state, 'proceeding');
});

t.test('non-INVITE over UDP: the final response is repeated on demand until timer J', async (t) => {
  const { clock, channel, told, respond, transaction } = startOther(false);
  transaction.receiveAgain();
  t.same(texts(channel), [], 'nothing is sent in trying');
  respond(100);
  transaction.receiveAgain();
  respond(200);
  clock.advance(31_999);
  transaction.receiveAgain();
  t.equal(respond(200), false);
  t.same(texts(channel), ['100', '100', '200', '200']);
  clock.advance(1);
  t.same(told, ['end']);
  t.equal(clock.pending, 0);
});

t.test('non-INVITE over TCP: timer J is zero', async (t) => {
  const { clock, told, respond, transaction } = startOther(true);
  respond(200);
  t.equal(transaction.state, 'terminated');
  t.same(told, ['end']);
  t.equal(clock.pending, 0);
});

t.test('non-INVITE: a request that nobody answers does not stay for ever', async (t) => {
  const { clock, told, channel } = startOther(false);
  clock.advance(32_000);
  t.same(told, ['end']);
  t.equal(channel.sent.length, 0);
  t.equal(clock.pending, 0);
});
