// The tap in front of a slow, full or dead disk: bounded, counted, and never in the packets' way.
import t from 'tap';
import { flowHeader } from '../../spool/pcap.ts';
import { createDgramEngine } from './dgram-engine.ts';
import type { EngineCounters } from './engine.ts';
import { ChunkPool, ChunkTap } from './tap.ts';

const flow = flowHeader({ address: '127.0.0.1', port: 1 }, { address: '127.0.0.1', port: 2 });
const payload = Buffer.alloc(172, 1);
const RECORD_BYTES = 16 + 28 + 172;

function createTap(pool = new ChunkPool()) {
  const troubles: (string | undefined)[] = [];
  const engine = createDgramEngine(1000);
  const counters: EngineCounters = structuredClone(engine.counters);
  void engine.close();
  const tap = new ChunkTap(
    pool,
    counters,
    (reason) => troubles.push(reason),
    () => undefined,
  );
  const copy = (count: number) => {
    for (let n = 0; n < count; n += 1) tap.copy(n % 2 === 0 ? 0 : 1, 1e15 + n, flow, payload);
  };
  return { tap, copy, troubles, counters };
}

class Sink {
  bytes = 0;
  calls = 0;
  isFull = false;
  async append(records: Uint8Array): Promise<void> {
    this.calls += 1;
    if (this.isFull) throw new Error('no space left');
    this.bytes += records.length;
  }
}

t.test('what was copied before the sink was there goes to it first', async (t) => {
  const { tap, copy } = createTap();
  const sink = new Sink();
  copy(1000);
  tap.drainTo(sink);
  copy(11);
  t.equal(await tap.drain(), true);
  t.equal(sink.bytes, 1011 * RECORD_BYTES);
  t.strictSame(tap.end(), { captured: [506, 505], lost: 0 });
  t.ok(sink.calls < 12, `${sink.calls} writes`);
});

t.test('a full disk is told once, waited for, and nothing is lost when it has room again', async (t) => {
  const { tap, copy, troubles } = createTap();
  const sink = new Sink();
  sink.isFull = true;
  tap.drainTo(sink);
  copy(500);
  t.equal(await tap.drain(), false);
  copy(500);
  t.equal(await tap.drain(), false);
  t.strictSame(troubles, ['no space left']);
  sink.isFull = false;
  t.equal(await tap.drain(), true);
  t.strictSame(troubles, ['no space left', undefined]);
  t.equal(sink.bytes, 1000 * RECORD_BYTES);
  t.strictSame(tap.end(), { captured: [500, 500], lost: 0 });
});

t.test('a disk that stays full costs bounded memory, and every packet is accounted for', async (t) => {
  const { tap, copy } = createTap();
  const sink = new Sink();
  sink.isFull = true;
  tap.drainTo(sink);
  copy(20_000);
  const held = 20_000 - tap.lost;
  t.ok(tap.lost > 0 && held * RECORD_BYTES <= 65 * (32 << 10), `${held} held, ${tap.lost} lost`);
  await tap.drain();
  t.strictSame(tap.end(), { captured: [0, 0], lost: 20_000 });
});

t.test('a write that never returns does not hold up copying', async (t) => {
  const { tap, copy, counters } = createTap();
  tap.drainTo({ append: () => new Promise(() => undefined) });
  copy(5000);
  t.equal(counters.recorded + tap.lost, 5000);
  t.equal(tap.lost, 0);
});

t.test('a datagram larger than a chunk is counted, not split', async (t) => {
  const { tap } = createTap();
  tap.copy(0, 1e15, flow, Buffer.alloc(60_000));
  t.strictSame(tap.end(), { captured: [0, 0], lost: 1 });
});

t.test('all taps together are bounded, and memory comes back', async (t) => {
  const pool = new ChunkPool();
  const taps = Array.from({ length: 70 }, () => createTap(pool));
  for (const { copy } of taps) copy(12_000);
  const lost = taps.reduce((sum, { tap }) => sum + tap.lost, 0);
  t.ok(lost > 0, `${lost} lost of ${70 * 12_000}`);
  for (const { tap } of taps) tap.end();
  const { tap, copy } = createTap(pool);
  copy(1000);
  t.equal(tap.lost, 0);
});
