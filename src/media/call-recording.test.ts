// A recording whose disk is full, for a while, to the end, or from the start: the call goes on, and the loss is told.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { silentLogger } from '../log.ts';
import { openCapture } from '../spool/capture-file.ts';
import { openJournal } from '../spool/journal.ts';
import { CAPTURE_FILE, FACTS_FILE, parseFacts, type Stream } from '../spool/segment.ts';
import { openSegment } from '../spool/segment-writer.ts';
import { openUdpParty } from '../testing/udp-party.ts';
import { CallRecording, type RecordingContext } from './call-recording.ts';
import { metadata, startCall } from './fixtures/bench.ts';
import { createDgramIo } from './io/dgram-io.ts';
import type { Leg } from './io/engine.ts';
import { LocalEngine } from './io/local-engine.ts';
import type { UdpIo } from './io/udp-io.ts';

const log = silentLogger();

/** One leg, one party that sends to it, and a disk that can be full. */
async function prepare(t: Test) {
  const directory = t.testdir({ spool: {} });
  const disk = { isFull: false, refused: 0 };
  const engine = new LocalEngine(onDisk(createDgramIo(), disk), 10);
  const journal = openJournal({ directory, daemon: 'grec-mediad', log });
  const stopping = new AbortController();
  const context: RecordingContext = {
    spool: join(directory, 'spool'),
    host: 'here',
    journal,
    finishing: new Set(),
    health: { refused: new Set(), lostPackets: 0, lostRecordings: 0 },
    stopping: stopping.signal,
  };
  const party = await openUdpParty();
  const leg = await openLeg(engine);
  leg.expect({ address: '127.0.0.1', rtpPort: party.rtpPort, rtcpPort: party.rtcpPort });
  t.teardown(async () => {
    party.close();
    await engine.close();
    await journal.close();
  });
  const send = async (from: number, to: number) => {
    for (let n = from; n <= to; n += 1) {
      party.sendRtp(leg.rtpPort, n);
      while (leg.rtp.packets < n) await delay(1);
    }
  };
  const streams: Stream[] = [
    { label: 'a', tag: 'x', address: leg.address, rtpPort: leg.rtpPort, rtcpPort: leg.rtcpPort, formats: [] },
  ];
  const record = () =>
    new CallRecording(context, {
      ngCallId: 'c',
      shard: engine,
      metadata: undefined,
      streams,
      legs: [{ label: 'a', leg }],
      log,
    });
  return { context, disk, leg, send, stopping, record, streams };
}

async function openLeg(engine: LocalEngine): Promise<Leg> {
  for (let port = 41000 + (process.pid % 400) * 10; ; port += 2) {
    const leg = await engine.openLeg('127.0.0.1', port).catch(() => undefined);
    if (leg !== undefined) return leg;
  }
}

/** The same with captures that refuse while the disk is full. */
function onDisk(io: UdpIo, disk: { isFull: boolean; refused: number }): UdpIo {
  return {
    ...io,
    async openCapture(path) {
      const file = await io.openCapture(path);
      const append = file.append.bind(file);
      file.append = (chunk, onWritten) => {
        if (!disk.isFull) return append(chunk, onWritten);
        disk.refused += 1;
        queueMicrotask(() => onWritten(new Error('no space left on device')));
      };
      return file;
    },
  };
}

function segmentIn(spool: string) {
  const [id = ''] = readdirSync(spool);
  const parsed = parseFacts(readFileSync(join(spool, id, FACTS_FILE), 'utf8'));
  if ('problem' in parsed) throw new Error(parsed.problem);
  return {
    facts: parsed.facts,
    sequence: [...openCapture(join(spool, id, CAPTURE_FILE))].map(({ payload }) => payload.readUInt16BE(2)),
  };
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

t.test('a disk that is full for a while loses nothing', async (t) => {
  const { context, disk, send, record } = await prepare(t);
  const recording = record();
  await send(1, 5);
  disk.isFull = true;
  await recording.opened();
  await send(6, 60);
  disk.isFull = false;
  await send(61, 65);
  recording.end('stopped');
  await Promise.all(context.finishing);
  const { facts, sequence } = segmentIn(context.spool);
  t.strictSame(sequence, numbers(65));
  t.match(facts.closed, { reason: 'stopped', packets: { a: 65, b: 0 }, lost: 0 });
});

t.test('a disk that is full at the end is waited for', async (t) => {
  const { context, disk, send, record, streams } = await prepare(t);
  const recording = record();
  await recording.opened();
  disk.isFull = true;
  await send(1, 5);
  recording.update([{ ...streams[0], tag: 'y' } as Stream]);
  recording.end('deleted');
  const finished = Promise.all(context.finishing);
  const { refused } = disk;
  while (disk.refused < refused + 2) await delay(1);
  t.equal(segmentIn(context.spool).facts.closed, undefined);
  disk.isFull = false;
  await finished;
  const { facts, sequence } = segmentIn(context.spool);
  t.strictSame(sequence, numbers(5));
  t.match(facts, { closed: { reason: 'deleted', lost: 0 }, media: [{ streams: [{ tag: 'y' }] }] });
});

t.test('a disk that stays full when the daemon stops: what is lost stands in the facts', async (t) => {
  const { context, disk, send, stopping, record } = await prepare(t);
  const recording = record();
  await recording.opened();
  disk.isFull = true;
  await send(1, 7);
  recording.end('shutdown');
  stopping.abort();
  await Promise.all(context.finishing);
  t.match(segmentIn(context.spool).facts.closed, { reason: 'write-failed', packets: { a: 0 }, lost: 7 });
});

t.test(
  'report 3: a spool that takes no segment is told, leaves the call alone, and is tried again',
  async (t) => {
    const { server, a, b, forA } = await startCall(t);
    rmSync(server.spool, { recursive: true });
    writeFileSync(server.spool, 'no folder');
    const start = () => server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
    await t.rejects(start(), { code: 'NG_REFUSED', message: /cannot write the segment/ });
    a.sendRtp(forA, 1);
    await b.until({ rtp: 1 });
    rmSync(server.spool);
    await start();
    a.sendRtp(forA, 2);
    await b.until({ rtp: 2 });
    await server.ng.request({ command: 'stop recording', 'call-id': 'call-1' });
    await server.stop();
    const { facts, sequence } = segmentIn(server.spool);
    t.strictSame(sequence, numbers(2), 'what came before waited in memory');
    t.match(facts.closed, { reason: 'stopped', lost: 0 });
  },
);

t.test('a segment that cannot be begun leaves no folder', async (t) => {
  const spool = t.testdir({ taken: '' });
  // A fact that no line can hold: refused after the folder was made.
  const endless: Record<string, unknown> = {};
  endless.self = endless;
  const facts = { at: 1, host: 'here', ngCallId: 'c', streams: endless as never };
  await t.rejects(openSegment(spool, facts), { code: 'SPOOL_WRITE' });
  t.strictSame(readdirSync(spool), ['taken']);
});
