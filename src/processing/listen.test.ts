// Live listening: what is appended to a capture comes out while it is spoken, on the right channels; pauses have their length.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { MULAW_TO_LINEAR } from '../rtp/g711.ts';
import type { SegmentFacts } from '../spool/segment.ts';
import { captureOf, type Datagram, factsOf, metadataOf, T0, talk, tone } from './fixtures/segments.ts';
import { type LiveSegment, listen } from './listen.ts';
import { LiveAudio } from './live-audio.ts';
import { WAV_HEADER_BYTES } from './wav.ts';

const FLUSH_US = 200_000;
const RATE = 8000;
const RECORDING = '019aa000-0000-7000-8000-0000000e0e0e';

/** A call that is being recorded, and a clock that goes on as the stream is asked for more. */
function prepare(t: Test) {
  const directory = mkdtempSync(join(tmpdir(), 'grec-listen-'));
  const segments: LiveSegment[] = [];
  const controller = new AbortController();
  const state = { now: T0, isOver: false };
  const open = (id: string, at: number) => {
    const captureFile = join(directory, `${id}.pcap`);
    writeFileSync(captureFile, captureOf([]));
    const facts: SegmentFacts = factsOf(id, {
      metadata: metadataOf(RECORDING, 'call'),
      openedAt: at,
      closed: null,
    });
    const segment: LiveSegment = { id, captureFile, facts };
    segments.push(segment);
    return {
      flush: (packets: Datagram[]) => appendFileSync(captureFile, captureOf(packets).subarray(24)),
      close: (closedAt: number) => {
        segment.facts = factsOf(id, {
          metadata: metadataOf(RECORDING, 'call'),
          openedAt: at,
          closed: { at: closedAt },
        });
      },
    };
  };
  const stream = listen({
    segments: () => segments,
    isOver: () => state.isOver,
    flushUs: FLUSH_US,
    now: () => state.now,
    signal: controller.signal,
  });
  t.teardown(async () => {
    await stream.return(undefined);
    rmSync(directory, { recursive: true, force: true });
  });
  const heard: Buffer[] = [];
  /** Takes from the stream until it has given so many seconds. */
  const hear = async (seconds: number) => {
    while (Buffer.concat(heard).length < seconds * RATE * 4) {
      const { value, done } = await stream.next();
      if (done) return;
      heard.push(value);
    }
  };
  const header = async () => (await stream.next()).value as Buffer;
  const channel = (index: 0 | 1) => {
    const bytes = Buffer.concat(heard);
    return Int16Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readInt16LE(at * 4 + index * 2));
  };
  return { state, open, stream, hear, header, channel, controller };
}

const said = (voice: number, packets: number) =>
  Int16Array.from(tone(0, packets * 160, voice), (byte) => MULAW_TO_LINEAR[byte] ?? 0);

function indexOf(channel: Int16Array, samples: Int16Array): number {
  const bytes = (of: Int16Array) => Buffer.from(of.buffer, of.byteOffset, of.byteLength);
  const at = bytes(channel).indexOf(bytes(samples));
  return at < 0 ? at : at / 2;
}

t.test('both parties come out, the agent left, as soon as they are flushed', async (t) => {
  const { state, open, stream, hear, header, channel } = prepare(t);
  t.equal((await header()).length, WAV_HEADER_BYTES);
  const { flush } = open('one', T0);
  flush([
    ...talk({ label: 'a', at: T0 + 10_000, packets: 25 }),
    ...talk({ label: 'b', at: T0 + 13_000, packets: 25 }),
  ]);
  state.now = T0 + 520_000;
  // 7001, party b, is the agent. It begins 300 ms before the stream was asked for.
  await hear(0.6);
  t.ok(indexOf(channel(0), said(1, 15)) > 0, 'left');
  t.ok(indexOf(channel(1), said(0, 15)) > 0, 'right');
  t.equal(indexOf(channel(0), said(1, 15)) - indexOf(channel(1), said(0, 15)), 24, 'and in true time');
  state.isOver = true;
  await hear(10);
  t.ok((await stream.next()).done);
  t.ok(indexOf(channel(0), said(1, 25)) > 0, 'to the last sample');
});

t.test('what was spoken before is passed over, however much of it there is', async (t) => {
  const { state, open, hear, header, channel } = prepare(t);
  const { flush } = open('one', T0);
  flush(talk({ label: 'a', packets: 3000 }));
  state.now = T0 + 60_000_000;
  await header();
  await hear(0.1);
  t.ok(channel(1).length < 2 * RATE);
});

t.test('a pause is silence of its length, and the segment after it goes on', async (t) => {
  const { state, open, hear, header, channel } = prepare(t);
  await header();
  const first = open('one', T0);
  first.flush(talk({ label: 'a', at: T0, packets: 25 }));
  await hear(0.3);
  first.close(T0 + 500_000);
  state.now = T0 + 5_000_000;
  await hear(2);
  const second = open('two', T0 + 5_000_000);
  second.flush(talk({ label: 'a', at: T0 + 5_000_000, packets: 25, ssrc: 77 }));
  state.isOver = true;
  await hear(20);
  const samples = channel(1);
  const begins = indexOf(samples, said(0, 25));
  const again = indexOf(samples.subarray(begins + 1), said(0, 25)) + 1;
  t.equal(again, 5 * RATE, 'five seconds from beginning to beginning');
});

t.test('a reader that stops for a minute goes on with what is spoken now', async (t) => {
  const { state, open, hear, header, channel } = prepare(t);
  await header();
  const { flush } = open('one', T0);
  flush(talk({ label: 'a', at: T0, packets: 25 }));
  await hear(0.3);
  const before = channel(1).length;
  flush(
    talk({
      label: 'a',
      at: T0 + 500_000,
      packets: 3000,
      from: 4000,
      sequenceNumber: 1,
      timestamp: 4_294_971_000 - 2 ** 32,
    }),
  );
  state.now = T0 + 60_500_000;
  await hear(before / RATE + 0.5);
  t.ok(channel(1).length - before < 8 * RATE, `${channel(1).length - before} samples`);
});

t.test('it ends when nobody listens any more', async (t) => {
  const { stream, header, controller } = prepare(t);
  await header();
  controller.abort();
  t.ok((await stream.next()).done);
});

t.test('placement: a jump of the clock begins anew, late and hostile packets do no harm', async (t) => {
  const audio = new LiveAudio(0);
  const table = Int16Array.from({ length: 256 }, (_, index) => index + 1);
  const kind = { kind: 'audio', encoding: 'PCMU', clockRate: 8000, table } as const;
  const add = (at: number, timestamp: number, byte: number) =>
    audio.add({ channel: 0, at, ssrc: 1, timestamp, kind, payload: Uint8Array.of(byte) });
  add(1000, 4_294_967_290, 10);
  add(2000, 2, 20);
  add(10_000, 3_000_000_000, 30);
  add(-5_000_000, 3_000_000_001, 40);
  add(1e12, 0, 50);
  const samples = audio.take(20_000);
  const left = Array.from({ length: 160 }, (_, index) => samples.readInt16LE(index * 4));
  t.same([left[8], left[16], left[80]], [11, 21, 31]);
  t.equal(left.filter((value) => value !== 0).length, 3);
  for (let ssrc = 0; ssrc < 1000; ssrc += 1)
    audio.add({ channel: 1, at: 0, ssrc, timestamp: 0, kind, payload: new Uint8Array(1) });
  t.equal(audio.take(1e12).length, 32_768 * 4, 'at most four seconds at a time');
});
