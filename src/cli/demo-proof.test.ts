// The proof fails for each way in which a recording can be wrong.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Metadata } from '../archive/metadata.ts';
import { hashFile } from '../archive/read.ts';
import { loadConfig } from '../config.ts';
import { loadVoice } from '../testing/dialogue.ts';
import type { PhoneCall } from '../testing/phone.ts';
import type { DemoCall } from './demo-call.ts';
import { type Evidence, prove } from './demo-proof.ts';

const AGENT = loadVoice('agent');
const CUSTOMER = loadVoice('customer');
const config = loadConfig({ env: {}, uid: 0 });
const { first } = config.mediad.ports;

/** A call of which only what the proof looks at is there. */
function callThat(heard: Int16Array, rtpPort: number): PhoneCall {
  const media = {
    target: { address: config.mediad.address, rtpPort, payloadType: 0, mayReceive: true },
    receiver: { audio: () => heard },
  };
  return { media } as unknown as PhoneCall;
}

function wavOf(left: Int16Array, right: Int16Array): Buffer {
  const frames = Math.max(left.length, right.length);
  const bytes = Buffer.alloc(44 + frames * 4);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(36 + frames * 4, 4);
  bytes.write('WAVEfmt ', 8, 'latin1');
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(2, 22);
  bytes.writeUInt32LE(8000, 24);
  bytes.writeUInt32LE(32_000, 28);
  bytes.writeUInt16LE(4, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36, 'latin1');
  bytes.writeUInt32LE(frames * 4, 40);
  for (let frame = 0; frame < frames; frame += 1) {
    bytes.writeInt16LE(left[frame] ?? 0, 44 + frame * 4);
    bytes.writeInt16LE(right[frame] ?? 0, 46 + frame * 4);
  }
  return bytes;
}

const party = (channel: 0 | 1, number: string) => ({
  label: channel === 0 ? 'b' : 'a',
  role: channel === 0 ? ('agent' as const) : ('customer' as const),
  channel,
  number,
  uri: `sip:${number}@127.0.0.1`,
});

interface Changes {
  left?: Int16Array;
  right?: Int16Array;
  agentHeard?: Int16Array;
  customerHeard?: Int16Array;
  agentPort?: number;
  parties?: Metadata['parties'];
  state?: 'partial';
  /** Bytes written after the manifest was made. */
  tamper?: boolean;
}

/** Evidence of a right recording, but for `changes`. */
function evidence(folder: string, changes: Changes): Evidence {
  const directory = join(folder, 'recording');
  mkdirSync(directory);
  const audio = join(directory, 'audio.wav');
  writeFileSync(audio, wavOf(changes.left ?? AGENT.linear, changes.right ?? CUSTOMER.linear));
  const files = [{ path: 'audio.wav', ...hashFile(audio) }];
  const manifest = { version: 1, id: 'x', createdAt: new Date().toISOString(), files };
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
  if (changes.tamper === true) writeFileSync(join(directory, 'stray'), '');
  const call: DemoCall = {
    agent: {
      call: callThat(changes.agentHeard ?? CUSTOMER.linear, changes.agentPort ?? first),
      voice: AGENT,
    },
    customer: { call: callThat(changes.customerHeard ?? AGENT.linear, first + 2), voice: CUSTOMER },
  };
  const parties = changes.parties ?? [party(0, '7001'), party(1, '7002')];
  const row = { state: changes.state ?? 'complete', reason: null } as const;
  return { call, row, config, directory, audio, metadata: { parties } as Metadata };
}

/** The names of the checks that fail. */
function failing(folder: string, changes: Changes): string[] {
  return prove(evidence(folder, changes))
    .filter(({ ok }) => !ok)
    .map(({ name }) => name);
}

/** A copy with one sample changed. */
function damaged(samples: Int16Array): Int16Array {
  const copy = samples.slice();
  copy[50_000] = (copy[50_000] ?? 0) + 4;
  return copy;
}

t.test('a right recording passes every check', async (t) => {
  t.same(failing(t.testdir(), {}), []);
});

const wrong: [what: string, changes: Changes, failed: string[]][] = [
  ['one sample of the left', { left: damaged(AGENT.linear) }, ['the left channel is what the agent sent']],
  [
    'one sample of the right',
    { right: damaged(CUSTOMER.linear) },
    ['the right channel is what the customer sent'],
  ],
  [
    'the channels swapped',
    { left: CUSTOMER.linear, right: AGENT.linear },
    ['the left channel is what the agent sent', 'the right channel is what the customer sent'],
  ],
  [
    'a loss on the way to the agent',
    { agentHeard: CUSTOMER.linear.subarray(160) },
    ['the agent heard what the customer sent'],
  ],
  [
    'silence at the customer',
    { customerHeard: new Int16Array(0) },
    ['the customer heard what the agent sent'],
  ],
  ['media past the Media Server', { agentPort: 5000 }, ['both phones sent to the Media Server']],
  ['both phones on one port', { agentPort: first + 2 }, ['both phones sent to the Media Server']],
  [
    'the parties swapped',
    { parties: [party(0, '7002'), party(1, '7001')] },
    ['the parties stand in the metadata, each with its channel'],
  ],
  ['a recording with a hole', { state: 'partial' }, ['the recording is complete']],
  ['a stray file', { tamper: true }, ['the files are those of the manifest']],
];

for (const [what, changes, failed] of wrong) {
  t.test(`${what}: told, and nothing else`, async (t) => {
    t.same(failing(t.testdir(), changes), failed);
  });
}
