// Calls as grec-sipd and grec-mediad leave them to grec-procd: captures of any length, and what is told when a call begins and ends.
import { closeSync, linkSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { v7 } from 'uuid';
import {
  callBegins,
  callEnds,
  FakeState,
  factsOf,
  metadataOf,
  PORTS,
  T0,
  tone,
} from '../src/processing/fixtures/segments.ts';
import { type FlowHeader, fileHeader, flowHeader, recordLength, writeRecord } from '../src/spool/pcap.ts';
import { buildRtpPacket } from '../src/testing/packets.ts';

const PACKETS_A_SECOND = 50;
const PTIME_US = 20_000;
const SAMPLES = 160;
const BATCH_BYTES = 4 << 20;
/** Samples after which the tone begins again: what is said must not take longer to make than to record. */
const TONE = 80_000;

/** Writes the capture of a call in which both parties speak G.711 without a break. */
export function writeCapture(file: string, seconds: number): void {
  const voices = [0, 1].map((voice) => Buffer.from(tone(0, TONE, voice)));
  const flows = (['a', 'b'] as const).map((label) =>
    flowHeader({ address: '192.0.2.1', port: 4000 }, { address: '192.0.2.9', port: PORTS[label] }),
  );
  const fd = openSync(file, 'w');
  let batch = [fileHeader()];
  let bytes = 0;
  const flush = () => {
    writeSync(fd, Buffer.concat(batch));
    batch = [];
    bytes = 0;
  };
  for (let index = 0; index < seconds * PACKETS_A_SECOND; index += 1) {
    for (const [party, flow] of flows.entries()) {
      const record = recordOf(flow, party, index, voices[party] ?? Buffer.alloc(TONE));
      batch.push(record);
      bytes += record.length;
    }
    if (bytes > BATCH_BYTES) flush();
  }
  flush();
  closeSync(fd);
}

function recordOf(flow: FlowHeader, party: number, index: number, voice: Buffer): Buffer {
  const at = (index * SAMPLES) % TONE;
  const packet = buildRtpPacket({
    payloadType: 0,
    ssrc: 10 + party,
    sequenceNumber: index & 0xffff,
    timestamp: (index * SAMPLES) % 2 ** 32,
    payload: voice.subarray(at, at + SAMPLES),
  });
  const record = Buffer.alloc(recordLength(flow, packet.length));
  writeRecord(record, 0, T0 + 1000 + index * PTIME_US, flow, packet);
  return record;
}

export interface SpooledCall {
  recording: string;
  /** Hangs up: the media server closes the segment, the switch releases the call. */
  hangUp(): void;
}

export class ProcCalls {
  readonly #state: FakeState;

  /** @param directory of grec-procd's state */
  constructor(directory: string) {
    this.#state = new FakeState(directory);
  }

  /** A call that is up and has spoken for so long already. @param capture of its length, on the file system of the state */
  begin(capture: string, seconds: number): SpooledCall {
    const [call, recording, segment] = [v7(), v7(), v7()];
    const metadata = metadataOf(recording, call);
    const end = T0 + seconds * 1e6 + 2000;
    this.#state.append('grec-sipd', T0, ...callBegins(call, recording));
    const folder = this.#state.segmentFolder(segment);
    mkdirSync(folder, { recursive: true });
    linkSync(capture, join(folder, 'capture.pcap'));
    const { opened } = factsOf(segment, { metadata, closed: null });
    this.#state.writeFact(segment, opened);
    return {
      recording,
      hangUp: () => {
        this.#state.closeSegment(segment, { at: end });
        this.#state.append('grec-sipd', end, ...callEnds(call, recording));
      },
    };
  }
}
