// A spool on a disk of its own that fills up: relaying never suffers, and what could not be written is counted and told.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { buildRtpPacket } from '../testing/packets.ts';
import { mountDisk, noDisk, unmountDisk } from '../testing/small-disk.ts';
import {
  connect,
  metadata,
  onlySegment,
  openParty,
  type Server,
  settled,
  startServer,
} from './fixtures/bench.ts';
import { startWorkerEngine } from './io/worker-engine.ts';

const DISK = '512k';
/** The largest that fits a frame of Ethernet: the memory for copies is full after some 1,500 of them. */
const PAYLOAD_BYTES = 1400;
const WINDOW = 50;
const packet = (ssrc: number, n: number) =>
  buildRtpPacket({
    payloadType: 0,
    sequenceNumber: n & 0xffff,
    timestamp: n * 160,
    ssrc,
    payload: Buffer.alloc(PAYLOAD_BYTES, n),
  });

t.test('rule 8: a disk that fills up and is freed again', { skip: noDisk() }, async (t) => {
  let spool = '';
  const server = await startServer(t, {
    engine: startWorkerEngine,
    workers: 1,
    prepare: (directory) => {
      spool = directory;
      mountDisk(directory, DISK);
    },
  });
  try {
    await fillAndFree(t, server, spool);
  } finally {
    await server.stop();
    unmountDisk(spool);
  }
});

async function fillAndFree(t: Test, server: Server, spool: string): Promise<void> {
  const [a, b] = [await openParty(t), await openParty(t)];
  const { forA } = await connect(server, a.sdp(), b.sdp());
  await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
  let sent = 0;
  const send = async (count: number) => {
    for (const end = sent + count; sent < end; ) {
      const most = Math.min(end, sent + WINDOW);
      while (sent < most) a.sendRaw(forA, packet(7, ++sent));
      await b.until({ rtp: sent });
    }
  };
  await send(200);
  t.match(
    await server.status(),
    { spool: { isLow: true, refused: 0, lostPackets: 0 } },
    'told before it is full',
  );
  fill(spool);
  await send(400);
  while ((await server.status()).spool.refused === 0) await delay(5);
  await send(2400);
  rmSync(join(spool, 'filler'));
  spawnSync('mount', ['-o', 'remount,size=64m', spool]);
  while ((await server.status()).spool.refused > 0) await delay(5);
  await send(300);
  t.strictSame(
    b.rtp.map((bytes) => bytes.readUInt16BE(2)),
    numbers(1, 3300),
    'relayed exactly',
  );
  await server.ng.request({ command: 'delete', 'call-id': 'call-1' });
  await settled(server);
  const { facts, packets } = onlySegment(spool);
  const written = packets.map(({ payload }) => payload.readUInt16BE(2));
  const { closed } = facts;
  const lost = closed?.lost ?? 0;
  t.equal(closed?.reason, 'deleted');
  t.equal(closed?.packets?.['a'], written.length);
  t.equal(written.length + lost, 3300, 'each is written or counted');
  t.ok(lost > 0 && lost < 2400);
  const gap = written.findIndex((n, index) => n !== index + 1);
  t.strictSame(
    written,
    [...numbers(1, gap), ...numbers(gap + 1 + lost, 3300)],
    'one gap, as long as what is lost',
  );
  t.match(await server.status(), { spool: { refused: 0, lostPackets: lost } });
}

/** Takes what is left of the disk. */
function fill(spool: string): void {
  spawnSync('dd', ['if=/dev/zero', `of=${join(spool, 'filler')}`, 'bs=4k']);
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
