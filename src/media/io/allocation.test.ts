// No memory is allocated for a packet that is relayed and captured: the heap is watched while 200,000 go round.
//
// Eight legs send to each other in a ring, so that what was once put in goes round for ever, and nobody outside takes part.
import { setTimeout as delay } from 'node:timers/promises';
import { GCProfiler } from 'node:v8';
import t, { type Test } from 'tap';
import { openUdpParty } from '../../testing/udp-party.ts';
import { testedEngines } from '../fixtures/engines.ts';
import { LocalEngine } from './local-engine.ts';
import type { LocalLeg } from './local-leg.ts';
import type { UdpIo } from './udp-io.ts';

const WARM_UP = 60_000;
const PACKETS = 200_000;
const HERE = '127.0.0.1';
/** In flight, of each of the two who put some in; fewer than a port holds while it does not know its party. */
const INPUT = 60;
/** Of which the test itself takes some; one number with a fraction would take 16 more. */
const MOST_BYTES_PER_PACKET = 14;

/** Opens pairs of legs that relay to each other, each sending to the next pair. */
async function ring(engine: LocalEngine, pairs: number): Promise<LocalLeg[]> {
  const legs: LocalLeg[] = [];
  for (let port = 47000 + (process.pid % 300) * 20; legs.length < 2 * pairs; port += 2) {
    const leg = await engine.openLeg(HERE, port).catch(() => undefined);
    if (leg !== undefined) legs.push(leg);
  }
  for (const [index, leg] of legs.entries()) {
    const isIn = index % 2 === 0;
    leg.relayTo(legs[isIn ? index + 1 : index - 1]);
    // A pair's second leg sends to the first one of the next pair.
    const { rtpPort, rtcpPort } = legs[(isIn ? index - 1 + legs.length : index + 1) % legs.length] ?? leg;
    leg.expect({ address: HERE, rtpPort, rtcpPort });
  }
  return legs;
}

async function watched(t: Test, createIo: () => Promise<UdpIo>): Promise<number> {
  const engine = new LocalEngine(await createIo(), 200);
  const legs = await ring(engine, 4);
  const party = await openUdpParty();
  // From the host that is expected, in sequence: heard as long as nothing better comes.
  for (let n = 1; n <= INPUT; n += 1) party.sendRtp(legs[0]?.rtpPort ?? 0, n);
  const until = async (relayed: number) => {
    // A write to the disk is one for many packets, and not what is watched here: a tap that is full gives way to the next.
    while (engine.counters.relayed < relayed) {
      const tap = engine.openTap(() => undefined);
      for (const leg of legs) leg.copyTo(tap, 0);
      await delay(20);
      await tap.end();
    }
  };
  await until(WARM_UP);
  const profiler = new GCProfiler();
  profiler.start();
  const before = process.memoryUsage().heapUsed;
  const first = engine.counters.relayed;
  await until(first + PACKETS);
  const packets = engine.counters.relayed - first;
  const grown = process.memoryUsage().heapUsed - before;
  const freed = profiler.stop().statistics.map(({ beforeGC, afterGC }) => {
    return beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize;
  });
  party.close();
  await engine.close();
  t.ok(engine.counters.recorded > PACKETS / 2, `${engine.counters.recorded} captured`);
  return (grown + freed.reduce((sum, one) => sum + one, 0)) / packets;
}

for (const { name, createIo } of await testedEngines()) {
  // Node's own sockets make a buffer of each.
  if (name === 'dgram') continue;
  t.test(name, async (t) => {
    const bytes = await watched(t, createIo);
    t.ok(bytes < MOST_BYTES_PER_PACKET, `${bytes.toFixed(1)} bytes for a packet`);
  });
}
