// Whatever happens in whatever order: no state machine throws, each comes to its end, no timer stays.
import fc from 'fast-check';
import t from 'tap';
import { ClientInvite } from './client-invite.ts';
import { ClientNonInvite } from './client-non-invite.ts';
import { ServerInvite } from './server-invite.ts';
import { ServerNonInvite } from './server-non-invite.ts';
import {
  FLOW,
  ManualClock,
  RecordingChannel,
  request,
  requestText,
  response,
  responseText,
  TIMERS,
} from './transaction-fixture.ts';

const VIA = 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx';
const ACK = request(requestText('ACK'));
const STATUSES = [100, 180, 199, 200, 202, 300, 401, 486, 503, 699];
const RESPONSES = new Map(STATUSES.map((status) => [status, response(responseText(`${status} Text`, VIA))]));

type Event =
  | { kind: 'wait'; ms: number }
  | { kind: 'status'; status: number }
  | { kind: 'again' | 'ack' | 'error' | 'repeat' };

const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
    fc.record({ kind: fc.constant('status' as const), status: fc.constantFrom(...STATUSES) }),
    fc.record({
      kind: fc.constantFrom('again' as const, 'ack' as const, 'error' as const, 'repeat' as const),
    }),
  ),
  { maxLength: 30 },
);

/** Longer than every timer together. */
const LONG = 200_000;

t.test('client transactions', async (t) => {
  fc.assert(
    fc.property(events, fc.boolean(), fc.boolean(), (list, isInvite, reliable) => {
      const clock = new ManualClock();
      const channel = new RecordingChannel(clock, reliable);
      const seen = { finals: 0, failures: 0, ends: 0 };
      const core = {
        clock,
        timers: TIMERS,
        onResponse: ({ status }: { status: number }) => {
          if (status >= 300) seen.finals += 1;
        },
        onFailure: () => {
          seen.failures += 1;
        },
        onTerminated: () => {
          seen.ends += 1;
        },
        encodeAck: () => Buffer.from('ACK'),
      };
      const bytes = Buffer.from('request');
      const transaction = isInvite
        ? new ClientInvite(channel, bytes, core)
        : new ClientNonInvite(channel, bytes, core);
      transaction.start();
      for (const event of list) {
        const answer = event.kind === 'status' ? RESPONSES.get(event.status) : undefined;
        if (event.kind === 'wait') clock.advance(event.ms);
        else if (event.kind === 'error') channel.fail();
        else if (answer !== undefined) transaction.receive(answer, FLOW);
      }
      clock.advance(LONG);
      // An INVITE that rings may ring for ever: ending it is its user's business.
      if (transaction.state === 'proceeding') transaction.fail('timeout', 'the user gave up');
      return (
        clock.pending === 0 &&
        transaction.state === 'terminated' &&
        seen.ends === 1 &&
        seen.finals + seen.failures <= 1
      );
    }),
    { numRuns: 2000 },
  );
  t.pass('2,000 sequences');
});

t.test('server transactions', async (t) => {
  fc.assert(
    fc.property(events, fc.boolean(), fc.boolean(), (list, isInvite, reliable) => {
      const clock = new ManualClock();
      const channel = new RecordingChannel(clock, reliable);
      let ends = 0;
      let finals = 0;
      const core = {
        clock,
        timers: TIMERS,
        onTerminated: () => {
          ends += 1;
        },
      };
      const transaction = isInvite ? new ServerInvite(channel, core) : new ServerNonInvite(channel, core);
      for (const event of list) {
        if (event.kind === 'wait') clock.advance(event.ms);
        else if (event.kind === 'status') {
          const sent = transaction.respond(event.status, Buffer.from(`${event.status}`));
          if (sent && event.status >= 200) finals += 1;
        } else if (event.kind === 'again') transaction.receiveAgain();
        else if (event.kind === 'error') channel.fail();
        else if (transaction instanceof ServerInvite) {
          if (event.kind === 'ack') transaction.receiveAck(ACK);
          else transaction.repeatSuccess();
        }
      }
      // Only its user ends an INVITE that has no final response.
      if (transaction.state === 'proceeding') transaction.respond(480, Buffer.from('480'));
      clock.advance(LONG);
      return clock.pending === 0 && transaction.state === 'terminated' && ends === 1 && finals <= 1;
    }),
    { numRuns: 2000 },
  );
  t.pass('2,000 sequences');
});
