// Captures are encrypted on their way to the disk, by every engine; a write that is refused and given again is encrypted once.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { openCapture } from '../../spool/capture-file.ts';
import { keystreamAt, SpoolKeys } from '../../spool/sealed-capture.ts';
import { openSegment } from '../../spool/segment-writer.ts';
import { openUdpParty } from '../../testing/udp-party.ts';
import { testedEngines } from '../fixtures/engines.ts';
import type { Leg } from './engine.ts';
import { LocalEngine } from './local-engine.ts';
import { sealingSink } from './sealing-sink.ts';
import type { Chunk } from './udp-io.ts';

const keys = new SpoolKeys([Buffer.alloc(32, 9)]);
const PACKETS = 300;

function chunkOf(text: string): Chunk {
  return {
    bytes: Buffer.from(`..${text}..`),
    words: undefined,
    start: 2,
    used: text.length,
    packets: [0, 0],
  };
}

t.test('what is refused is given again, and encrypted once', async (t) => {
  const written: Buffer[] = [];
  let refusals = 2;
  const sink = {
    bytes: 24,
    append: ({ bytes, start, used }: Chunk, onWritten: (problem: unknown) => void) => {
      if (refusals-- > 0) return onWritten(new Error('no space left'));
      written.push(Buffer.from(bytes.subarray(start, start + used)));
      onWritten(undefined);
    },
    close: async () => undefined,
  };
  const key = Buffer.alloc(32, 3);
  const sealing = sealingSink(sink, key);
  const problems: unknown[] = [];
  const [first, second] = [chunkOf('what was said first'), chunkOf('and then')];
  for (const chunk of [first, first, first, second])
    sealing.append(chunk, (problem) => problems.push(problem));
  t.same(
    problems.map((problem) => problem === undefined),
    [false, false, true, true],
  );
  t.equal(String(keystreamAt(key, 24).update(Buffer.concat(written))), 'what was said firstand then');
  t.equal(first.bytes.toString('latin1', 0, 2), '..', 'nothing around it is touched');
  // The same memory, with something else in it.
  second.bytes.write('new', 2);
  second.used = 3;
  sealing.append(second, () => undefined);
  t.equal(String(keystreamAt(key, 24).update(Buffer.concat(written))), 'what was said firstand thennew');
});

async function openLeg(engine: LocalEngine): Promise<Leg> {
  for (let port = 45000 + (process.pid % 300) * 10; ; port += 2) {
    const leg = await engine.openLeg('127.0.0.1', port).catch(() => undefined);
    if (leg !== undefined) return leg;
  }
}

for (const { name, createIo } of await testedEngines())
  t.test(`${name}: what is captured is encrypted, what is relayed is not`, async (t) => {
    const engine = new LocalEngine(await createIo(), 5);
    const [party, peer] = [await openUdpParty(), await openUdpParty()];
    const [leg, other] = [await openLeg(engine), await openLeg(engine)];
    t.teardown(async () => {
      party.close();
      peer.close();
      await engine.close();
    });
    const aim = ({ rtpPort, rtcpPort }: typeof party) => ({ address: '127.0.0.1', rtpPort, rtcpPort });
    leg.expect(aim(party));
    other.expect(aim(peer));
    leg.relayTo(other);
    const segment = await openSegment(
      join(t.testdir(), 'spool'),
      { at: 1e15, host: 'h', ngCallId: 'c', streams: [] },
      keys,
    );
    const tap = engine.openTap(() => undefined);
    leg.copyTo(tap, 0);
    for (let n = 1; n <= PACKETS; n += 1) {
      party.sendRtp(leg.rtpPort, n);
      while (leg.rtp.packets < n) await delay(1);
      if (n === PACKETS / 3) tap.drainTo(segment.capture, segment.key);
    }
    t.equal(await tap.drain(), true);
    const end = await tap.end();
    t.match(end, { captured: [PACKETS, 0], lost: 0 });
    await segment.close({ at: 1e15 + 1, reason: 'stopped', lost: 0 }, end.bytes);
    const payloads = [...openCapture(segment.capture, keys)].map(({ payload }) => payload);
    t.equal(payloads.length, PACKETS);
    const bytes = readFileSync(segment.capture);
    t.equal(bytes.length, end.bytes);
    t.notOk(
      payloads.some((payload) => bytes.includes(payload)),
      'nothing of them is on the disk',
    );
    t.throws(() => [...openCapture(segment.capture)], { code: 'SPOOL_INVALID' });
    await peer.until({ rtp: PACKETS });
    t.ok(peer.rtp.every((packet, index) => packet.equals(payloads[index] ?? Buffer.alloc(0))));
  });
