// Several places for one call: whose turn it is, who answers first, what the caller hears when nobody does.
import { mock } from 'node:test';
import fc from 'fast-check';
import t from 'tap';
import type { OutgoingInviteOptions } from '../sip/user-agent.ts';
import { FakeDialog, fakeResponse } from '../testing/fake-user-agent.ts';
import { Hunt, type Verdict } from './hunt.ts';

type Handlers = Pick<OutgoingInviteOptions, 'onProvisional' | 'onAccepted' | 'onRejected'>;

/** What a refusal with this status means here. */
const VERDICTS: Record<number, Verdict> = { 603: 'next-round', 404: 'end' };
const IN_ORDER = [['a'], ['b'], ['c']];
const TOGETHER = [['a', 'b', 'c']];

/** A hunt whose targets do what the test says; `said` tells all that happened. */
function hunting(rounds: string[][], options: { ringTimeMs?: number; passesEarlyMedia?: boolean } = {}) {
  const said: string[] = [];
  const placed = new Map<string, Handlers>();
  const dialogs = new Map<string, FakeDialog>();
  const hunt = new Hunt<string>({
    rounds,
    ringTimeMs: 60_000,
    passesEarlyMedia: false,
    weigh: (_target, { status }) => VERDICTS[status] ?? 'ring-on',
    ...options,
    place: (target, handlers) => {
      said.push(`INVITE ${target}`);
      placed.set(target, handlers);
      const cancel = (reason?: string) =>
        void said.push(`CANCEL ${target}${reason === undefined ? '' : ` ${reason}`}`);
      return { callId: target, localTag: 'near', cancel };
    },
    onProvisional: (_target, { status }) => void said.push(`${status}`),
    onAccepted: (target) => void said.push(`answered by ${target}`),
    onRejected: ({ status }) => void said.push(`refused ${status}`),
  });
  return {
    hunt,
    said,
    dialogs,
    ring: (target: string, sdp = '') => placed.get(target)?.onProvisional?.(fakeResponse(180, sdp)),
    answer: (target: string) => {
      const dialog = new FakeDialog();
      dialogs.set(target, dialog);
      placed.get(target)?.onAccepted(fakeResponse(200), dialog, () => void said.push(`ACK ${target}`));
    },
    refuse: (target: string, status: number) => placed.get(target)?.onRejected(fakeResponse(status)),
  };
}

t.test('in order: the next one when one refuses, the best refusal when all do', async (t) => {
  const { said, ring, refuse } = hunting(IN_ORDER);
  ring('a');
  refuse('a', 486);
  refuse('b', 600);
  refuse('c', 503);
  t.same(said, ['INVITE a', '180', 'INVITE b', 'INVITE c', 'refused 486']);
});

t.test('in order: the next one when one lets it ring; the last one rings on', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  const { said, answer, refuse, ring, hunt } = hunting([['a'], ['b']], { ringTimeMs: 5000 });
  mock.timers.tick(4999);
  t.same(said, ['INVITE a']);
  mock.timers.tick(1);
  t.same(said, ['INVITE a', 'CANCEL a', 'INVITE b']);
  mock.timers.tick(60_000);
  refuse('a', 487);
  ring('a');
  t.same(said, ['INVITE a', 'CANCEL a', 'INVITE b'], 'the one that was passed over is not heard any more');
  answer('b');
  t.equal(said.at(-1), 'answered by b');
  hunt.cancel();
  t.equal(said.length, 4, 'who has answered is not cancelled');
});

t.test('together: the first answer wins, the others stop ringing', async (t) => {
  const { said, answer, dialogs } = hunting(TOGETHER);
  answer('b');
  t.same(said, [
    'INVITE a',
    'INVITE b',
    'INVITE c',
    'CANCEL a SIP;cause=200;text="Call completed elsewhere"',
    'CANCEL c SIP;cause=200;text="Call completed elsewhere"',
    'answered by b',
  ]);
  answer('c');
  t.same(said.slice(6), ['ACK c'], 'a second answer is hung up');
  t.same(dialogs.get('c')?.sent, ['BYE']);
});

t.test('together: one that refuses leaves the others ringing', async (t) => {
  const { said, refuse, answer } = hunting([['a', 'b']]);
  refuse('a', 486);
  answer('b');
  t.same(said.slice(2), ['answered by b']);
});

t.test('in rounds: the next one when all of one have refused', async (t) => {
  const { said, refuse, answer } = hunting([['a', 'b'], ['c']]);
  refuse('b', 486);
  t.same(said, ['INVITE a', 'INVITE b']);
  refuse('a', 480);
  t.equal(said.at(-1), 'INVITE c');
  answer('c');
  t.equal(said.at(-1), 'answered by c');
});

t.test('one may speak for its round, or for all', async (t) => {
  const round = hunting([['a', 'b'], ['c']]);
  round.refuse('b', 603);
  t.same(round.said.slice(2), ['CANCEL a', 'INVITE c']);
  const all = hunting([['a'], ['b'], ['c']]);
  all.refuse('a', 403);
  all.refuse('b', 404);
  t.same(all.said.slice(2), ['refused 404'], 'its word counts, whatever the others said');
});

t.test('who has sent early media that was passed on is the last', async (t) => {
  const early = hunting(IN_ORDER, { passesEarlyMedia: true });
  early.ring('a');
  early.refuse('a', 503);
  early.ring('b', 'v=0');
  early.refuse('b', 503);
  t.same(early.said, ['INVITE a', '180', 'INVITE b', '180', 'refused 503']);
});

t.test('the caller gives up', async (t) => {
  const { said, hunt, refuse } = hunting([['a', 'b']]);
  hunt.cancel();
  refuse('a', 487);
  refuse('b', 487);
  t.same(said.slice(2), ['CANCEL a', 'CANCEL b']);
  const order = hunting([['a'], ['b']]);
  order.hunt.cancel();
  order.refuse('a', 487);
  t.same(order.said, ['INVITE a', 'CANCEL a'], 'and nobody else is asked');
});

t.test('whatever happens, in whatever order, there is one end, and nobody is left ringing', async () => {
  const target = fc.constantFrom('a', 'b', 'c');
  const step = fc.tuple(fc.constantFrom('answer', 'refuse', 'ring', 'cancel'), target);
  const count = (said: string[], pattern: RegExp) => said.filter((line) => pattern.test(line)).length;
  fc.assert(
    fc.property(
      fc.constantFrom(IN_ORDER, TOGETHER, [['a', 'b'], ['c']]),
      fc.array(step, { maxLength: 12 }),
      (rounds, steps) => {
        const all = hunting(rounds);
        let refused = 0;
        for (const [what, who] of steps) {
          const wasRinging = isRinging(all.said, who);
          if (what === 'answer') all.answer(who);
          if (what === 'refuse') all.refuse(who, 486);
          if (what === 'refuse' && wasRinging) refused += 1;
          if (what === 'ring') all.ring(who);
          if (what === 'cancel') all.hunt.cancel();
        }
        all.hunt.cancel();
        const ends = count(all.said, /^(answered|refused)/);
        const left = count(all.said, /^INVITE/) - count(all.said, /^(CANCEL|answered)/);
        return ends <= 1 && left <= refused;
      },
    ),
  );
});

function isRinging(said: string[], who: string): boolean {
  return said.includes(`INVITE ${who}`) && !said.some((line) => line.startsWith(`CANCEL ${who}`));
}
