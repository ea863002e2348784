// Who shares a channel, and who surely does not.
import t from 'tap';
import type { EventBody, JournalEvent } from '../spool/events.ts';
import type { Party } from '../spool/segment.ts';
import { bindParties, rankAt } from './channels.ts';
import { factsOf, streamOf, T0 } from './fixtures/segments.ts';
import { isSameNumber } from './numbers.ts';
import type { PendingCall } from './situation.ts';
import { trunkLinks } from './trunk-links.ts';

type Who = Partial<Pick<Party, 'dn' | 'role'>> & { number: string; address?: string };

const far = (number: string): Who => ({ number, role: 'customer' });
const near = (number: string, address = '192.0.2.1'): Who => ({ number, dn: number, role: 'agent', address });

/** A segment of a call between two, in seconds from {@link T0}. */
function segmentOf(call: string, [from, to]: [number, number], a: Who, b: Who, source = 0) {
  const party = (label: 'a' | 'b', { number, dn, role = 'customer' }: Who): Party => {
    return { label, tag: label, role, number, uri: `sip:${number}@${source}`, ...(dn && { dn }) };
  };
  const facts = factsOf(`${call} ${from}`, {
    metadata: { recording: call, call, sessionId: 's', parties: [party('a', a), party('b', b)] },
    openedAt: T0 + from * 1e6,
    closed: { at: T0 + to * 1e6 },
    streams: [
      { ...streamOf('a'), address: a.address ?? 'x' },
      { ...streamOf('b'), address: b.address ?? 'x' },
    ],
  });
  return { facts, source };
}

/** By segment the channels of a and b at its beginning. */
function channels(...args: Parameters<typeof bindParties>): string[] {
  const { lanes, laneOf } = bindParties(...args);
  return laneOf.map(({ a, b }) => [a, b].map(([first]) => lanes[first?.lane ?? -1]?.channel).join(' '));
}

t.test(
  'a transfer: whoever comes has a channel of its own, and one who comes back has the old one',
  async (t) => {
    const customer = far('+49301234567');
    const segments = [
      segmentOf('c', [0, 1], customer, near('7001')),
      segmentOf('c', [1, 2], customer, near('7002')),
      segmentOf('c', [2, 3], customer, near('7001')),
    ];
    t.same(channels(segments), ['1 0', '1 2', '1 0']);
    t.same(bindParties(segments).sides, [0, 1, 0]);
  },
);

t.test(
  'rule 4: one who was transferred away and comes back on the other side has the old channel',
  async (t) => {
    const segments = [
      segmentOf('c', [0, 1], near('7001'), near('7002')),
      segmentOf('c', [1, 2], near('7003'), near('7002')),
      segmentOf('c', [2, 3], near('7003'), near('7001')),
    ];
    t.same(channels(segments), ['0 1', '2 1', '2 0']);
    const customers = [
      segmentOf('c', [0, 1], far('+49301234567'), near('7002')),
      segmentOf('c', [1, 2], near('7003'), near('7002')),
      segmentOf('c', [2, 3], near('7003'), far('+49301234567')),
    ];
    t.same(channels(customers), ['1 0', '2 0', '2 1']);
    t.same(channels([segmentOf('c', [0, 1], near('7001'), near('7001'))]), ['0 1'], 'a call to oneself');
  },
);

t.test('a phone in two calls is one party; two phones of one DN at once are two', async (t) => {
  const first = segmentOf('c', [0, 4], far('+49301234567'), near('7001'));
  t.same(channels([first, segmentOf('d', [1, 2], near('7001'), near('7002'))]), ['1 0', '0 2']);
  const elsewhere = near('7001', '192.0.2.99');
  t.same(channels([first, segmentOf('d', [1, 2], elsewhere, near('7002'))]), ['1 0', '2 3']);
  t.same(
    channels([first, segmentOf('d', [5, 6], elsewhere, near('7002'))]),
    ['1 0', '0 2'],
    'one after the other',
  );
});

t.test('two callers who withhold their numbers are two', async (t) => {
  const segments = [
    segmentOf('c', [0, 4], far('anonymous'), near('7001')),
    segmentOf('d', [1, 3], far('anonymous'), near('7001')),
  ];
  t.same(channels(segments), ['1 0', '2 0']);
});

t.test('extensions of two switches are not one for their number', async (t) => {
  const segments = [
    segmentOf('c', [0, 1], far('+49301234567'), near('7001')),
    segmentOf('d', [2, 3], far('+49301234567'), near('7001'), 1),
  ];
  t.same(channels(segments), ['1 0', '1 2']);
});

t.test('more parties than a file has channels for, one after the other: none is lost', async (t) => {
  const segments = Array.from({ length: 12 }, (_, at) =>
    segmentOf('c', [at, at + 1], far('+49301234567'), near(`70${10 + at}`)),
  );
  const { sides, laneOf, lanes } = bindParties(segments);
  t.equal(sides.length, 8);
  t.ok(laneOf.every(({ a, b }) => lanes[a[0]?.lane ?? -1]?.channel !== lanes[b[0]?.lane ?? -1]?.channel));
});

t.test('while a party holds a call, its other one is heard first', async (t) => {
  const event = (at: number, body: EventBody): JournalEvent => ({
    seq: at,
    at: T0 + at,
    daemon: 'grec-sipd',
    ...body,
  });
  const call: PendingCall = {
    id: 'c',
    events: [
      event(1, { type: 'call.held', call: 'c', label: 'b' }),
      event(5, { type: 'call.retrieved', call: 'c', label: 'b' }),
    ],
  };
  const { lanes, laneOf } = bindParties([segmentOf('c', [0, 9], far('+49301'), near('7001'))], [call]);
  const lane = lanes[laneOf[0]?.b[0]?.lane ?? -1];
  if (lane === undefined) return t.fail('no lane');
  const [before, during, after] = [0, 3, 5].map((at) => rankAt(lane, T0 + at));
  t.ok(before === after && (during ?? 0) > (before ?? 0));
  t.ok((during ?? 255) < 255, 'within what the window takes');
});

t.test('who comes back on the other side has held the call on the first one alone', async (t) => {
  const second = 1e6;
  const event = (at: number, type: 'call.held' | 'call.retrieved', label: 'a' | 'b'): JournalEvent => ({
    ...{ seq: at, at: T0 + at * second, daemon: 'grec-sipd', type, call: 'c', label },
  });
  // 7001 holds as a, 7003 in its place as a, and 7001 again as b.
  const events = [
    ...[event(0.2, 'call.held', 'a'), event(0.4, 'call.retrieved', 'a')],
    ...[event(1.2, 'call.held', 'a'), event(2.4, 'call.retrieved', 'a')],
    ...[event(2.6, 'call.held', 'b'), event(2.8, 'call.retrieved', 'b')],
  ];
  const segments = [
    segmentOf('c', [0, 1], near('7001'), near('7002')),
    segmentOf('c', [1, 2], near('7003'), near('7002')),
    segmentOf('c', [2, 3], near('7003'), near('7001')),
  ];
  const { lanes } = bindParties(segments, [{ id: 'c', events }]);
  const held = lanes.find(({ channel }) => channel === 0)?.held ?? [];
  t.same(
    held.map((span) => span.map((at) => Math.round((at - T0) / 1e5) / 10)),
    [
      [0.2, 0.4],
      [2.6, 2.8],
    ],
  );
});

t.test('numbers with and without a prefix', async (t) => {
  for (const [one, other] of [
    ['98001', '8001'],
    ['+49301234567', '0301234567'.slice(1)],
    ['42', '42'],
  ] as const)
    t.ok(isSameNumber(one, other), `${one} ${other}`);
  for (const [one, other] of [
    ['+4930555101', '101'],
    ['anonymous', 'anonymous'],
    ['', ''],
    ['42', '142'],
    ['alice', '101'],
  ] as const)
    t.notOk(isSameNumber(one, other), `${one} ${other}`);
});

t.test(
  'trunks between switches: who goes out and who comes in, and where a transfer puts the end',
  async (t) => {
    const created = (
      id: string,
      source: number,
      at: number,
      from: object,
      to: object,
      ...more: EventBody[]
    ) => {
      const party = { number: '7001', uri: 'sip:x' };
      const body: EventBody = {
        ...{ type: 'call.created', call: id, sessionId: 's', direction: 'outbound' },
        ...{ from: { ...party, ...from }, to: { ...party, ...to } },
      };
      const events = [body, ...more].map((one, index): JournalEvent => {
        return { seq: index + 1, at: T0 + at + index * 1_000_000, daemon: 'grec-sipd', ...one };
      });
      return { id, source, events };
    };
    const [out, into] = [{ trunk: 'there' }, { trunk: 'here' }];
    const one = created('one', 0, 0, {}, out);
    const other = created('other', 1, 200_000, into, {});
    const ends = (calls: PendingCall[]) =>
      trunkLinks(calls).map((link) => [link.out, link.into].map(({ call, label }) => `${call} ${label}`));
    t.same(ends([one, other]), [['0 one b', '1 other a']]);
    t.same(ends([one, created('other', 0, 0, into, {})]), [], 'within one switch there is none');
    t.same(ends([one, created('other', 1, 60_000_000, into, {})]), [], 'a minute later it is another call');
    t.same(
      ends([one, other, created('second', 1, 100_000, into, {})]),
      [['0 one b', '1 second a']],
      'each end is one',
    );
    const by = { number: '7001', uri: 'sip:x' };
    const transfer = {
      type: 'call.transferred',
      label: 'b',
      how: 'attended',
      by,
      to: by,
      consultation: 'one',
    } as const;
    const customers = created(
      'first',
      0,
      -9_000_000,
      into,
      {},
      ...Array.from({ length: 15 }, (): EventBody => ({ type: 'call.restored', call: 'first' })),
      { ...transfer, call: 'first' },
    );
    t.same(ends([customers, one, other]), [
      ['0 one b', '1 other a'],
      ['0 first b', '1 other a'],
    ]);
  },
);
