// The proof of `grec demo`: what was recorded, and what each phone heard, against what the phones sent.
import type { Metadata } from '../archive/metadata.ts';
import { verifyFiles } from '../archive/read.ts';
import { readWav } from '../archive/wav-file.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import type { Config } from '../config.ts';
import { type Comparison, findAudio } from '../testing/compare.ts';
import { AGENT, CUSTOMER, type DemoCall, type DemoSide } from './demo-call.ts';

/** One thing that must be so; `detail` says what was found. */
export interface Check {
  name: string;
  ok: boolean;
  detail: string;
}

export interface Evidence {
  call: DemoCall;
  row: Pick<RecordingRow, 'state' | 'reason'>;
  config: Config;
  /** Of the recording. */
  directory: string;
  audio: string;
  metadata: Metadata;
}

/** Every check, in the order in which they are told. @throws GrecError RECORDING_UNREADABLE */
export function prove({ call, row, config, directory, audio, metadata }: Evidence): Check[] {
  const [left, right] = readChannels(audio);
  const { agent, customer } = call;
  const files = verifyFiles(directory);
  return [
    checkBridged(call, config),
    { name: 'the recording is complete', ok: row.state === 'complete', detail: row.reason ?? row.state },
    checkParties(metadata),
    checkAudio('the left channel is what the agent sent', left, agent),
    checkAudio('the right channel is what the customer sent', right, customer),
    checkAudio('the agent heard what the customer sent', agent.call.media.receiver.audio(), customer),
    checkAudio('the customer heard what the agent sent', customer.call.media.receiver.audio(), agent),
    { name: 'the files are those of the manifest', ok: files.ok, detail: files.problems.join('; ') || 'all' },
  ];
}

/** Both phones must have been told to send to the Media Server, each to a port of its own. */
function checkBridged({ agent, customer }: DemoCall, { mediad }: Config): Check {
  const targets = [agent, customer].map(({ call }) => call.media.target);
  const ports = targets.map((target) => target?.rtpPort ?? 0);
  const isInside = targets.every(
    (target) =>
      target !== undefined &&
      target.address === mediad.address &&
      target.rtpPort >= mediad.ports.first &&
      target.rtpPort <= mediad.ports.last,
  );
  return {
    name: 'both phones sent to the Media Server',
    ok: isInside && ports[0] !== ports[1],
    detail: targets.map((target) => `${target?.address}:${target?.rtpPort}`).join(' and '),
  };
}

function checkParties({ parties }: Metadata): Check {
  const shown = parties.map(({ channel, role, number }) => `${channel} ${role} ${number}`).sort();
  const expected = [`0 agent ${AGENT.number}`, `1 customer ${CUSTOMER.number}`];
  return {
    name: 'the parties stand in the metadata, each with its channel',
    ok: shown.join() === expected.join(),
    detail: shown.join(', '),
  };
}

function checkAudio(name: string, found: Int16Array, { voice }: DemoSide): Check {
  const comparison = findAudio(found, voice.linear);
  return { name, ok: comparison.exact, detail: describe(comparison, found.length, voice.linear.length) };
}

function describe(comparison: Comparison, found: number, sent: number): string {
  if (comparison.exact) return `${sent} samples, all equal, at sample ${comparison.offset} of ${found}`;
  const { offset, firstDifference: first } = comparison;
  const place = offset === undefined ? 'nothing of it was found' : `it was found at sample ${offset}`;
  return `${place}; sample ${first.at} of ${found} is ${first.found ?? 'missing'}, not ${first.expected}`;
}

/** The two channels of a WAV file; empty where it has none. */
function readChannels(file: string): [left: Int16Array, right: Int16Array] {
  const channels: Int16Array[] = [];
  let frame = 0;
  readWav(
    file,
    (format) => {
      for (let index = 0; index < format.channels; index += 1) channels.push(new Int16Array(format.frames));
    },
    (samples, format) => {
      for (let at = 0; at < samples.length; at += 1) {
        const channel = channels[at % format.channels];
        if (channel !== undefined) channel[frame + Math.floor(at / format.channels)] = samples[at] ?? 0;
      }
      frame += samples.length / format.channels;
    },
  );
  return [channels[0] ?? new Int16Array(0), channels[1] ?? new Int16Array(0)];
}
