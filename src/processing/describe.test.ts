// The metadata of a recording of a call that no switch of ours controlled: what its controller told stands in it.
import t from 'tap';
import { bindParties } from './channels.ts';
import { channelRemarks, describeRecording } from './describe.ts';
import { factsOf, metadataOf, T0 } from './fixtures/segments.ts';
import type { Mixdown } from './mixdown.ts';
import { QualityMeter } from './quality.ts';

const channel = () => ({
  packets: 1,
  lost: 0,
  duplicates: 0,
  late: 0,
  decoded: new Map([['PCMU', 1]]),
  undecodable: new Map<string, number>(),
  driftPpm: undefined,
  slips: 0,
  masked: 0,
  audioMs: 20,
  quality: new QualityMeter().result(0),
});
const mixdown: Mixdown = {
  startAt: T0,
  frames: 8000,
  channels: [channel(), channel()],
  fileChannels: 2,
  heard: { keys: [], codecs: [] },
  problems: [],
  decoding: new Map(),
  unreadable: new Map(),
};
const described = (facts: ReturnType<typeof factsOf>) =>
  describeRecording({
    ...{ id: 'r', calls: [], segments: [facts], mixdown, size: 1, remarks: [], madeOf: 'm' },
    binding: bindParties([{ facts, source: 0 }]),
  });

t.test('parties, Call-ID and pauses are told', async (t) => {
  const facts = factsOf('s');
  facts.opened.parties = [
    { label: 'a', tag: 'x', role: 'customer', number: '100', uri: 'sip:100' },
    { label: 'b', tag: 'y', role: 'agent', number: '7001', uri: 'sip:7001' },
  ];
  facts.pauses = [
    { type: 'paused', at: T0 + 1_000_000 },
    { type: 'resumed', at: T0 + 3_000_000 },
  ];
  const at = (micros: number) => new Date((T0 + micros) / 1000).toISOString();
  t.match(described(facts), {
    callerPhoneNumber: '100',
    dialedPhoneNumber: '7001',
    callUuids: [],
    parties: [
      { role: 'agent', channel: 0, number: '7001' },
      { role: 'customer', channel: 1, number: '100' },
    ],
    segments: [{ id: 's', ngCallId: 'ng' }],
    events: [
      { event: 'recording.paused', occurredAt: at(1_000_000), by: 'ng' },
      { event: 'recording.resumed', occurredAt: at(3_000_000) },
    ],
  });
});

t.test('without a word of the parties, their addresses stand for them', async (t) => {
  t.match(described(factsOf('s')).parties, [
    { role: 'agent', channel: 0 },
    { role: 'customer', channel: 1 },
  ]);
});

t.test('a call of our own switch is known by its own names', async (t) => {
  const { segments, parties } = described(factsOf('s', { metadata: metadataOf('r', 'c') }));
  t.equal(segments[0]?.ngCallId, undefined);
  t.match(parties, [{ number: '7001' }, { number: '7002' }]);
});

t.test('a party of whom nothing came is told of, but not one who was not to be heard', async (t) => {
  const binding = bindParties([{ facts: factsOf('s', { metadata: metadataOf('r', 'c') }), source: 0 }]);
  const silent = { ...channel(), packets: 0 };
  t.same(channelRemarks({ ...mixdown, channels: [channel(), silent] }, binding), [
    'left channel: no media came from this party',
  ]);
  t.same(channelRemarks({ ...mixdown, channels: [channel(), { ...silent, masked: 5 }] }, binding), []);
});
