// A stream that has settled goes on as its leg is told, at once: what it was settled with never outlives a change.
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { openUdpParty, type UdpParty } from '../../testing/udp-party.ts';
import { type TestedEngine, testedEngines } from '../fixtures/engines.ts';
import { LocalEngine } from './local-engine.ts';
import type { LocalLeg } from './local-leg.ts';
import type { ChunkTap } from './tap.ts';

const HERE = '127.0.0.1';

interface Bench {
  engine: LocalEngine;
  tap: ChunkTap;
  a: UdpParty;
  b: UdpParty;
  legOfA: LocalLeg;
  legOfB: LocalLeg;
  /** Sends so many from A, in sequence, and waits until the engine has had them. */
  say(count: number, handled?: () => number): Promise<void>;
}

async function openLeg(engine: LocalEngine): Promise<LocalLeg> {
  for (let port = 44000 + (process.pid % 300) * 8; ; port += 2) {
    const leg = await engine.openLeg(HERE, port).catch(() => undefined);
    if (leg !== undefined) return leg;
  }
}

async function settled(t: Test, { createIo }: TestedEngine): Promise<Bench> {
  const engine = new LocalEngine(await createIo(), 200);
  const [a, b] = [await openUdpParty(), await openUdpParty()];
  t.teardown(() => a.close());
  t.teardown(() => b.close());
  t.teardown(() => engine.close());
  const [legOfA, legOfB] = [await openLeg(engine), await openLeg(engine)];
  legOfA.relayTo(legOfB);
  legOfB.relayTo(legOfA);
  legOfA.expect({ address: HERE, rtpPort: a.rtpPort, rtcpPort: a.rtcpPort });
  legOfB.expect({ address: HERE, rtpPort: b.rtpPort, rtcpPort: b.rtcpPort });
  const tap = engine.openTap(() => undefined);
  legOfA.copyTo(tap, 0);
  legOfB.copyTo(tap, 1);
  let sequence = 0;
  let expected = 0;
  const say = async (count: number, handled = () => engine.counters.relayed) => {
    const before = handled();
    for (let n = 0; n < count; n += 1) a.sendRtp(legOfA.rtpPort, ++sequence);
    expected = before + count;
    while (handled() < expected) await delay(2);
  };
  // B speaks first, so that its socket has its party, and A's stream can settle.
  b.sendRtp(legOfB.rtpPort, 1);
  while (engine.counters.relayed < 1) await delay(2);
  await say(10);
  return { engine, tap, a, b, legOfA, legOfB, say };
}

async function captured(tap: ChunkTap): Promise<number> {
  const { lost } = await tap.end();
  // No capture was opened: what it has copied is all that it loses.
  return lost;
}

for (const tested of await testedEngines())
  t.test(tested.name, async (t) => {
    t.test('counts are those of every packet', async (t) => {
      const { engine, tap, legOfA, say, b } = await settled(t, tested);
      await say(30);
      t.equal(legOfA.rtp.packets, 40);
      t.ok(Math.abs(legOfA.rtp.lastAt / 1e3 - Date.now()) < 10_000);
      t.equal(engine.counters.relayed, 41);
      t.equal(engine.counters.recorded, 41);
      await b.until({ rtp: 40 });
      t.strictSame(
        b.rtp.map((packet) => packet.readUInt16BE(2)),
        Array.from({ length: 40 }, (_, index) => index + 1),
      );
      t.equal(await captured(tap), 41);
    });

    t.test('a pause copies nothing more, and what comes after it is copied again', async (t) => {
      const { tap, legOfA, say } = await settled(t, tested);
      legOfA.copyTo(undefined, 0);
      await say(20);
      legOfA.copyTo(tap, 0);
      await say(5);
      t.equal(await captured(tap), 1 + 10 + 5);
    });

    t.test('a tap that has ended gets nothing, and its place is of another one', async (t) => {
      const { engine, tap, legOfA, legOfB, say } = await settled(t, tested);
      legOfA.copyTo(undefined, 0);
      legOfB.copyTo(undefined, 1);
      t.equal(await captured(tap), 11);
      const next = engine.openTap(() => undefined);
      await say(20);
      t.equal(await captured(next), 0);
    });

    t.test('what is blocked, replaced or held is not sent on', async (t) => {
      const { engine, a, b, legOfA, legOfB, say } = await settled(t, tested);
      const { dropped } = engine.counters;
      const payloadType = (b.rtp[0]?.[1] ?? 0) & 0x7f;
      legOfA.blockEvents([payloadType]);
      await say(5, () => dropped.blocked);
      legOfA.blockEvents(undefined);
      legOfA.relayTo(undefined);
      await say(5, () => dropped['no-destination']);
      legOfA.relayTo(legOfB);
      legOfB.expect({ address: '0.0.0.0', rtpPort: b.rtpPort, rtcpPort: b.rtcpPort });
      await say(5, () => dropped['no-destination']);
      legOfB.expect({ address: HERE, rtpPort: b.rtpPort, rtcpPort: b.rtcpPort });
      await say(5);
      t.equal(engine.counters.relayed, 16);
      // The last of them has been heard, and none that was to go nowhere.
      await b.until({ rtp: 15 });
      t.equal(b.rtp.length, 15);
      t.equal(a.rtp.length, 1);
    });

    t.test('who is called to another place hears there, and nothing goes to the old one', async (t) => {
      const { b, legOfB, say } = await settled(t, tested);
      await b.until({ rtp: 10 });
      const elsewhere = await openUdpParty();
      t.teardown(() => elsewhere.close());
      legOfB.expect({ address: HERE, rtpPort: elsewhere.rtpPort, rtcpPort: elsewhere.rtcpPort });
      elsewhere.sendRtp(legOfB.rtpPort, 1);
      while (legOfB.rtpSource?.port !== elsewhere.rtpPort) await delay(2);
      await say(7);
      await elsewhere.until({ rtp: 7 });
      t.equal(b.rtp.length, 10);
    });

    t.test('a stranger at a settled stream is kept out', async (t) => {
      const { engine, b, legOfA, say } = await settled(t, tested);
      const stranger = await openUdpParty();
      t.teardown(() => stranger.close());
      for (let n = 1; n <= 20; n += 1) stranger.sendRtp(legOfA.rtpPort, n);
      await say(5);
      await b.until({ rtp: 15 });
      t.equal(b.rtp.length, 15);
      t.equal(engine.counters.recorded, 16);
    });
  });
