// What is wrong with the recording of a conversation is found by the comparison with its diary: each thing broken once.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { Random } from '../../src/sip/fuzz.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { RoughVoice, speechOf } from '../../src/testing/rough-voice.ts';
import { buildWav } from '../../src/testing/wav.ts';
import { checkConversation } from './conversation-check.ts';
import { type Diary, RuleLine, type SpokenVoice } from './conversation-diary.ts';

const STARTS_AT = Date.UTC(2026, 0, 31, 12) * 1000;
const PACKETS = 100;
const SECOND_US = 1_000_000;
const time = (at: number) => new Date(at / 1000).toISOString();
const numbers = { customer: '7001', agent: '7002', expert: '7003' };

/** It spoke without a fault, and all of it had to be recorded. */
function voiceOf(who: 'customer' | 'agent', seed: number): SpokenVoice {
  const voice = new RoughVoice({
    seed,
    roughness: {
      ...{ ppm: 0, lossPercent: 0, reorderPercent: 0, duplicatePercent: 0 },
      ...{ stallPercent: 0, silencePercent: 0, codecPercent: 0, sourcePercent: 0, payloadTypes: [0] },
    },
    random: new Random(seed),
    mayReceive: () => true,
    send: () => undefined,
  });
  for (let packet = 0; packet < PACKETS; packet += 1) voice.tick(STARTS_AT + packet * 20_000);
  return { who, number: numbers[who], voice, rules: new RuleLine('must') };
}

/** Paused from 1.0 to 1.4 s, held by the customer from 1.6 to 1.8 s. */
function diaryOf(): Diary {
  const asked = (seconds: number) => {
    const from = STARTS_AT + seconds * SECOND_US;
    return { from, to: from + 5000 };
  };
  const rules = new RuleLine('must');
  rules.change(STARTS_AT + 1 * SECOND_US, 'never');
  rules.change(STARTS_AT + 1.4 * SECOND_US, 'must');
  return {
    script: { index: 0, agentCalls: false, acts: [], end: { by: 0, whileSpeaking: true } },
    numbers,
    sessionId: 'session',
    voices: [voiceOf('customer', 1), voiceOf('agent', 2)],
    rules,
    pauses: [{ begun: asked(1), ended: asked(1.4), reason: 'pause 1' }],
    holds: [{ by: numbers.customer, begun: asked(1.6), ended: asked(1.8) }],
    problems: [],
  };
}

/** Both channels as they must be: silent in the pause. */
function channelsOf(): [agent: Int16Array, customer: Int16Array] {
  const channel = (seed: number) => {
    const samples = new Int16Array(PACKETS * 160);
    for (let packet = 0; packet < PACKETS; packet += 1)
      if (packet < 50 || packet >= 70) samples.set(toLinear(speechOf(seed, packet)), packet * 160);
    return samples;
  };
  return [channel(2), channel(1)];
}

const party = (number: string, channel: number) => ({ number, channel });
const metadata = {
  startTime: time(STARTS_AT),
  duration: 2000,
  parties: [party(numbers.agent, 0), party(numbers.customer, 1)],
  quality: [],
  masked: [
    {
      startTime: time(STARTS_AT + SECOND_US),
      stopTime: time(STARTS_AT + 1.4 * SECOND_US),
      by: 'script',
      reason: 'pause 1',
    },
  ],
  eventHistory: [
    { event: 'Held', occurredAt: time(STARTS_AT + 1.6 * SECOND_US), contact: { phoneNumber: '7001' } },
    { event: 'Retrieved', occurredAt: time(STARTS_AT + 1.8 * SECOND_US), contact: { phoneNumber: '7001' } },
  ],
  remarks: [] as string[],
};

interface Change {
  channels?: Int16Array[];
  metadata?: object;
  rows?: Partial<RecordingRow>[];
}

let folders = 0;

/** What is found in an archive that has this recording. */
function problemsOf(archive: string, change: Change = {}): string {
  const [left, right] = change.channels ?? channelsOf();
  const pcm = Buffer.alloc(PACKETS * 160 * 4);
  for (let at = 0; at < PACKETS * 160; at += 1) {
    pcm.writeInt16LE(left?.[at] ?? 0, at * 4);
    pcm.writeInt16LE(right?.[at] ?? 0, at * 4 + 2);
  }
  const path = `${folders++}`;
  mkdirSync(join(archive, path));
  writeFileSync(join(archive, path, 'audio.wav'), buildWav({ channels: 2, data: pcm }));
  writeFileSync(join(archive, path, 'metadata.json'), JSON.stringify({ ...metadata, ...change.metadata }));
  const row = {
    id: 'recording',
    sessionId: 'session',
    state: 'complete',
    reason: null,
    path,
  } as RecordingRow;
  const rows = (change.rows ?? [{}]).map((one) => ({ ...row, ...one }));
  return checkConversation(diaryOf(), rows, archive).problems.join('\n');
}

/** By so many samples later. */
function shifted(channel: Int16Array, samples: number): Int16Array {
  const late = new Int16Array(channel.length);
  late.set(channel.subarray(0, channel.length - samples), samples);
  return late;
}

t.test('each thing that is wrong is found', async (t) => {
  const archive = t.testdir();
  const [left, right] = channelsOf();
  const spoken = toLinear(speechOf(2, 60));
  const audible = Int16Array.from(left);
  audible.set(spoken, 60 * 160);
  const wrong = (what: string, change: Change, pattern: RegExp) =>
    t.match(problemsOf(archive, change), pattern, what);
  t.equal(problemsOf(archive), '', 'nothing is wrong');
  wrong('channels that are swapped', { channels: [right, left] }, /packet 0 of customer.*is missing/);
  wrong('a channel 40 ms late', { channels: [shifted(left, 320), right] }, /stands 40.0 ms from its time/);
  wrong('what was said in the pause', { channels: [audible, right] }, /packet 60 of agent.*must not be/);
  wrong('no recording', { rows: [] }, /0 recordings/);
  wrong('another conversation’s', { rows: [{ sessionId: 'other' }] }, /0 recordings/);
  wrong('two recordings', { rows: [{}, { id: 'second' }] }, /2 recordings/);
  wrong('a part of one', { rows: [{ state: 'partial', reason: 'why' }] }, /is partial: why/);
  wrong('no pause in the metadata', { metadata: { masked: [] } }, /masked: /);
  wrong(
    'a pause by somebody else',
    {
      metadata: { masked: metadata.masked.map((one) => ({ ...one, by: 'nobody' })) },
    },
    /masked: /,
  );
  wrong('no hold', { metadata: { eventHistory: [] } }, /held: /);
  wrong(
    'parties who changed places',
    {
      metadata: { parties: [party(numbers.agent, 1), party(numbers.customer, 0)] },
    },
    /parties and channels/,
  );
  wrong('a remark', { metadata: { remarks: ['partial: why'] } }, /remarks: partial: why/);
  wrong('a length that is none', { metadata: { duration: 2100 } }, /the metadata says 2100 ms/);
});
