// Analytics: what is counted, and where it is not.
import t from 'tap';
import type { ArchivedParty, Metadata } from '../archive/metadata.ts';
import { analyse } from './analytics.ts';
import type { Span } from './spans.ts';

const START = Date.UTC(2026, 0, 31, 9);
const at = (seconds: number) => new Date(START + seconds * 1000).toISOString();
/** Spans in seconds. */
const spans = (...pairs: [number, number][]): Span[] =>
  pairs.map(([from, to]) => ({ from: from * 1000, to: to * 1000 }));

const AGENT: ArchivedParty = { label: 'b', role: 'agent', channel: 0, number: '7001', uri: '', dn: '7001' };
const CUSTOMER: ArchivedParty = { label: 'a', role: 'customer', channel: 1, number: '5551', uri: '' };

function call(seconds: number, changes: Partial<Metadata> = {}) {
  const told = { startTime: at(0), duration: seconds * 1000, parties: [AGENT, CUSTOMER] };
  return { ...told, eventHistory: [], events: [], ...changes };
}

t.test('who talks, when nobody does, and who talks over whom', async (t) => {
  const told = analyse(call(60), [spans([1, 5], [5.5, 10], [30, 40]), spans([12, 20], [38, 45])]);
  t.match(told, { duration: 60_000, talk: 31_500, silence: 28_500, talkOver: 2000, firstWord: 1000 });
  t.match(told, { longestSilence: 15_000, longestSilenceAt: 45_000, hold: 0, holds: 0, masked: 0 });
  const [agent, customer] = told.parties;
  t.match(agent, { channel: 0, role: 'agent', number: '7001', dn: '7001', talk: 18_500, silence: 41_500 });
  t.match(agent, { turns: 2, longestTurn: 10_000, interruptions: 0, firstWord: 1000 });
  t.match(customer, { talk: 15_000, turns: 2, interruptions: 1, firstWord: 12_000 });
});

t.test('a short word into the words of another is no interruption', async (t) => {
  const told = analyse(call(30), [spans([0, 10]), spans([4, 4.4], [9.8, 12])]);
  t.equal(told.parties[1]?.interruptions, 0);
  t.equal(analyse(call(30), [spans([0, 10]), spans([9, 12])]).parties[1]?.interruptions, 1);
});

t.test('hold and masked spans are no silence, and nothing is said in a masked span', async (t) => {
  const event = (seconds: number, name: string, label: string) => {
    return { occurredAt: at(seconds), event: name, call: 'c', label };
  };
  const told = analyse(
    call(100, {
      events: [
        event(10, 'call.held', 'b'),
        event(20, 'call.retrieved', 'b'),
        event(20, 'call.retrieved', 'b'),
        event(80, 'call.held', 'a'),
        { occurredAt: at(90), event: 'call.released', call: 'c' },
      ],
      masked: [
        { startTime: at(50), stopTime: at(60), recording: 'r', reason: 'card' },
        { startTime: at(95), recording: 'r', reason: 'card' },
      ],
    }),
    [spans([0, 10], [52, 55]), spans()],
  );
  t.match(told, { hold: 20_000, holds: 2, masked: 15_000, talk: 10_000, silence: 55_000 });
  t.match(told, { longestSilence: 30_000, longestSilenceAt: 20_000 });
  t.match(told.parties[0], { talk: 10_000, silence: 75_000 });
  t.equal(told.parties[1]?.firstWord, undefined);
});

t.test('a party is heard while it is there; without a channel of its own, on its side', async (t) => {
  const parties: ArchivedParty[] = [
    { ...AGENT, stopTime: at(20) },
    { ...AGENT, number: '7003', dn: '7003', startTime: at(20) },
    CUSTOMER,
    { ...CUSTOMER, channel: 2, number: '5552', startTime: at(30) },
  ];
  const told = analyse(call(40, { parties }), [spans([0, 5], [19, 22]), spans([31, 35])]);
  t.same(
    told.parties.map(({ number, talk }) => [number, talk]),
    [
      ['7001', 6000],
      ['7003', 2000],
      ['5551', 4000],
      ['5552', 4000],
    ],
  );
});

t.test('of one channel for all nobody can tell who spoke; times that are none harm nothing', async (t) => {
  t.same(analyse(call(10), [spans([1, 2])]).parties, []);
  const masked = [{ startTime: 'yesterday', stopTime: 'tomorrow', recording: 'r', reason: '' }];
  t.match(analyse(call(10, { masked }), [spans([1, 2]), []]), { talk: 1000, masked: 0 });
  t.match(analyse(call(0), [[], []]), { talk: 0, silence: 0, longestSilence: 0 });
});
