// Who hears the tone, by what it takes; who cannot is told of once.
import t from 'tap';
import { silentLogger } from '../log.ts';
import type { Format } from '../spool/segment.ts';
import type { CallParty } from './call-party.ts';
import { announceTo } from './call-sounds.ts';
import type { ReadyTone } from './consent-tones.ts';
import type { TonePlayback } from './io/tone.ts';

const TONE: ReadyTone = {
  sounds: { PCMU: { law: 'PCMU', bytes: Buffer.alloc(8) }, PCMA: { law: 'PCMA', bytes: Buffer.alloc(8) } },
  parties: 'all',
  intervalMs: 30_000,
  isRecorded: false,
};
const format = (payloadType: number, encoding: string): Format => {
  return { payloadType, encoding, clockRate: encoding === 'OPUS' ? 48_000 : 8000, channels: 1 };
};

function setUp(takes: Format[], others: Format[], direction = 'sendrecv') {
  const audio = { attributes: [{ name: direction }] };
  const sdp = { attributes: [] };
  const heard: (TonePlayback | undefined)[] = [];
  const warned: object[] = [];
  const leg = { sound: (tone?: TonePlayback) => heard.push(tone) };
  const party = { tag: 'a', leg, description: { formats: takes, audio, sdp } } as unknown as CallParty;
  const other = { tag: 'b', leg, description: { formats: others, audio, sdp } } as unknown as CallParty;
  const log = Object.assign(silentLogger(), { error: (facts: object) => void warned.push(facts) });
  const announce = (tone = TONE) => announceTo([{ party, other }], tone, () => 'agent', log);
  return { announce, heard, warned };
}

t.test('in the law that both take, added to all that the party takes of G.711', async (t) => {
  const takes = [
    format(0, 'PCMU'),
    format(96, 'OPUS'),
    format(118, 'PCMA'),
    format(101, 'TELEPHONE-EVENT'),
    format(13, 'CN'),
  ];
  const { announce, heard } = setUp(takes, [format(8, 'PCMA')]);
  announce();
  t.match(heard, [{ sound: { law: 'PCMA' }, payloadType: 118, others: [96], isRecorded: false }]);
  t.same(heard[0]?.laws.map(({ payloadType, law }) => `${payloadType} ${law}`).sort(), [
    '0 PCMU',
    '118 PCMA',
    '8 PCMA',
  ]);
});

t.test('a static number that means something else is not taken for G.711', async (t) => {
  const { announce, heard } = setUp([format(0, 'PCMU'), format(8, 'OPUS')], []);
  announce();
  t.match(heard, [{ laws: [{ payloadType: 0 }], others: [8] }]);
});

t.test('who takes no G.711 cannot be told, which is alarmed once', async (t) => {
  const { announce, heard, warned } = setUp([format(96, 'OPUS')], [format(0, 'PCMU')]);
  announce();
  announce();
  t.same(heard, []);
  t.match(warned, [{ alarm: 'consent-tone', tag: 'a', takes: ['OPUS'], hint: String }]);
});

t.test('who does not want to receive is sent nothing', async (t) => {
  for (const [direction, count] of [
    ['sendonly', 0],
    ['inactive', 0],
    ['recvonly', 1],
  ] as const) {
    const { announce, heard, warned } = setUp([format(0, 'PCMU')], [], direction);
    announce();
    t.equal(heard.length, count, direction);
    t.same(warned, []);
  }
});

t.test('who is not meant hears nothing', async (t) => {
  const { announce, heard } = setUp([format(0, 'PCMU')], []);
  announce({ ...TONE, parties: 'customer' });
  t.same(heard, []);
  announce({ ...TONE, parties: 'agent' });
  t.equal(heard.length, 1);
});
