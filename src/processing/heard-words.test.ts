// Keys and codecs, as packets tell of them; and what describes them.
import t from 'tap';
import { bindParties } from './channels.ts';
import { describeHeard } from './describe-parts.ts';
import { HeardWords } from './heard-words.ts';
import type { Mixdown } from './mixdown.ts';
import type { PayloadKind } from './stream-map.ts';

const KEY: PayloadKind = { kind: 'silence', encoding: 'TELEPHONE-EVENT' };
const packet = (kind: PayloadKind, at: number, timestamp: number, first = 0, channel = 0) => {
  return { channel, at, ssrc: 1, timestamp, kind, payload: Uint8Array.of(first, 10, 0, 160) };
};
const codec = (encoding: string): PayloadKind => ({ kind: 'undecodable', encoding });

t.test('all packets of a time stamp are one key; what is no key is none', async (t) => {
  const words = new HeardWords();
  for (const at of [1, 2, 3]) words.add(packet(KEY, at, 800, 5));
  words.add(packet(KEY, 4, 1600, 5));
  words.add(packet(KEY, 5, 2400, 11));
  words.add(packet(KEY, 6, 3200, 16));
  words.add({ ...packet(KEY, 7, 4000), payload: new Uint8Array() });
  words.add(packet({ kind: 'silence', encoding: 'CN' }, 8, 4800, 1));
  t.same(
    words.keys.map(({ at, key }) => [at, key]),
    [
      [1, '5'],
      [4, '5'],
      [5, '#'],
    ],
  );
});

t.test('codecs are told when they change, and a hostile party does not fill the memory', async (t) => {
  const words = new HeardWords();
  for (const [at, name] of ['PCMU', 'PCMU', 'PCMA', 'PCMU'].entries()) words.add(packet(codec(name), at, at));
  t.same(
    words.codecs.map(({ at, codec: name }) => [at, name]),
    [
      [0, 'PCMU'],
      [2, 'PCMA'],
      [3, 'PCMU'],
    ],
  );
  for (let at = 0; at < 10_000; at += 1) {
    words.add(packet(codec(at % 2 === 0 ? 'A' : 'B'), at, at));
    words.add(packet(KEY, at, at, at % 16));
  }
  t.ok(words.codecs.length <= 200 && words.keys.length <= 2000);
});

t.test('a key that two switches captured is one', async (t) => {
  const keys = [
    { lane: 0, at: 1_000_000, key: '1' },
    { lane: 2, at: 1_006_000, key: '1' },
    { lane: 0, at: 1_400_000, key: '1' },
    { lane: 1, at: 1_000_000, key: '1' },
  ];
  const lane = (channel: number) => ({ channel, source: 0, rank: 0, held: [] });
  const binding = { ...bindParties([]), lanes: [lane(0), lane(1), lane(0)] };
  const { dtmf } = describeHeard(binding, { heard: { keys, codecs: [] } } as unknown as Mixdown);
  t.match(dtmf, [{ channel: 0 }, { channel: 1 }, { channel: 0, occurredAt: '1970-01-01T00:00:01.400Z' }]);
  t.equal(dtmf?.length, 3);
});
