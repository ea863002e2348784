// The tap in front of a slow, full or dead disk: bounded, counted, and never in the packets' way.
import t from 'tap';
import { flowHeader } from '../../spool/pcap.ts';
import { createDgramIo } from './dgram-io.ts';
import { noCounters } from './engine.ts';
import { ChunkPool, ChunkTap } from './tap.ts';
import type { Chunk } from './udp-io.ts';

const flow = flowHeader({ address: '127.0.0.1', port: 1 }, { address: '127.0.0.1', port: 2 });
const payload = Buffer.alloc(172, 1);
const RECORD_BYTES = 16 + 28 + 172;

const io = createDgramIo();

function createTap(sink = new Sink(), pool = new ChunkPool(io)) {
  const troubles: (string | undefined)[] = [];
  const counters = noCounters();
  const tap = new ChunkTap(
    pool,
    { openCapture: async () => sink },
    counters,
    (reason) => troubles.push(reason),
    () => undefined,
  );
  const copy = (count: number) => {
    for (let n = 0; n < count; n += 1)
      tap.copy(n % 2 === 0 ? 0 : 1, 1e9, n, flow, payload, 0, payload.length);
  };
  return { tap, copy, troubles, counters };
}

class Sink {
  bytes = 24;
  calls = 0;
  isFull = false;
  isClosed = false;
  append({ used }: Chunk, onWritten: (problem: unknown) => void): void {
    this.calls += 1;
    if (!this.isFull) this.bytes += used;
    queueMicrotask(() => onWritten(this.isFull ? new Error('no space left') : undefined));
  }
  async close(): Promise<void> {
    this.isClosed = true;
  }
}

t.test('what was copied before the sink was there goes to it first', async (t) => {
  const sink = new Sink();
  const { tap, copy } = createTap(sink);
  copy(1000);
  tap.drainTo('capture');
  copy(11);
  t.equal(await tap.drain(), true);
  t.strictSame(await tap.end(), {
    captured: [506, 505],
    leftOut: [0, 0],
    lost: 0,
    bytes: 24 + 1011 * RECORD_BYTES,
  });
  t.ok(sink.isClosed);
  t.ok(sink.calls < 40, `${sink.calls} writes`);
});

t.test('a full disk is told once, waited for, and nothing is lost when it has room again', async (t) => {
  const sink = new Sink();
  const { tap, copy, troubles } = createTap(sink);
  sink.isFull = true;
  tap.drainTo('capture');
  copy(500);
  t.equal(await tap.drain(), false);
  copy(500);
  t.equal(await tap.drain(), false);
  t.strictSame(troubles, ['no space left']);
  sink.isFull = false;
  t.equal(await tap.drain(), true);
  t.strictSame(troubles, ['no space left', undefined]);
  t.strictSame(await tap.end(), {
    captured: [500, 500],
    leftOut: [0, 0],
    lost: 0,
    bytes: 24 + 1000 * RECORD_BYTES,
  });
});

t.test('a disk that stays full costs bounded memory, and every packet is accounted for', async (t) => {
  const sink = new Sink();
  const { tap, copy } = createTap(sink);
  sink.isFull = true;
  tap.drainTo('capture');
  copy(20_000);
  const held = 20_000 - tap.lost;
  t.ok(tap.lost > 0 && held * RECORD_BYTES <= 65 * (32 << 10), `${held} held, ${tap.lost} lost`);
  await tap.drain();
  t.strictSame(await tap.end(), { captured: [0, 0], leftOut: [0, 0], lost: 20_000, bytes: 24 });
});

t.test('a write that never returns does not hold up copying', async (t) => {
  const sink = new Sink();
  sink.append = () => new Promise(() => undefined);
  const { tap, copy, counters } = createTap(sink);
  tap.drainTo('capture');
  copy(5000);
  t.equal(counters.recorded + tap.lost, 5000);
  t.equal(tap.lost, 0);
});

t.test('a disk that is too slow is told once, and what it did not take is counted', async (t) => {
  const sink = new Sink();
  let next: () => void = () => undefined;
  const append = sink.append.bind(sink);
  sink.append = (chunk, onWritten) => {
    next = () => append(chunk, onWritten);
  };
  const { tap, copy, troubles, counters } = createTap(sink);
  tap.drainTo('capture');
  for (let round = 0; round < 30; round += 1) {
    copy(1000);
    next();
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(tap.lost > 0);
  t.equal(counters.recorded + tap.lost, 30_000);
  t.strictSame(troubles, ['the disk takes less than comes: packets are lost']);
  const { lost } = tap;
  sink.append = append;
  next();
  t.equal(await tap.drain(), true);
  t.strictSame(troubles.slice(1), [undefined], 'well again when nothing waits');
  const { captured } = await tap.end();
  t.equal(captured[0] + captured[1] + lost, 30_000);
});

t.test('a datagram larger than a chunk is counted, not split', async (t) => {
  const { tap, troubles } = createTap();
  tap.copy(0, 1e9, 0, flow, Buffer.alloc(60_000), 0, 60_000);
  t.strictSame(await tap.end(), { captured: [0, 0], leftOut: [0, 0], lost: 1, bytes: 24 });
  t.strictSame(troubles, [], 'no fault of the disk');
});

t.test('all taps together are bounded, and memory comes back', async (t) => {
  const pool = new ChunkPool(io);
  const taps = Array.from({ length: 70 }, () => createTap(new Sink(), pool));
  for (const { copy } of taps) copy(12_000);
  const lost = taps.reduce((sum, { tap }) => sum + tap.lost, 0);
  t.ok(lost > 0, `${lost} lost of ${70 * 12_000}`);
  for (const { tap } of taps) await tap.end();
  const { tap, copy } = createTap(new Sink(), pool);
  copy(1000);
  t.equal(tap.lost, 0);
});
