// Hostile captures: whatever the bytes, an import ends, with what it could read; its memory does not grow with the file.
import { mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import t from 'tap';
import {
  type Captured,
  captureFile,
  type FileFormat,
  fragmentsOf,
  LINKS,
  tcpPacket,
  udpPacket,
} from '../capture/fixtures/frames.ts';
import { createFrameReader } from '../capture/frames.ts';
import { PacketReader } from '../capture/packets.ts';
import { GrecError } from '../errors.ts';
import { CallBook } from './call-book.ts';
import { callPackets, host, overUdp, T0 } from './fixtures/calls.ts';
import { importCaptures } from './import-captures.ts';
import { SipReader } from './sip-reader.ts';

const directory = mkdtempSync(join(tmpdir(), 'grec-hostile-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const KINDS = ['pcap', 'nanosecond pcap', 'pcapng', 'nanosecond pcapng'] as const;
const format: fc.Arbitrary<FileFormat> = fc.record({
  link: fc.constantFrom(...Object.keys(LINKS)),
  isLittleEndian: fc.boolean(),
  kind: fc.constantFrom(...KINDS),
});

/** A call of every kind of packet that is read. */
function packets(): Captured[] {
  const call = overUdp({ packets: 4, invite: [`X: ${'x'.repeat(400)}`] });
  const tcp = callPackets({ callId: 'tcp' }).signalling.map(({ at, bytes }, index) => {
    return { at, ip: tcpPacket(host('192.0.2.1', 33_000), host('192.0.2.2', 5060), index * 500, bytes) };
  });
  const parts = call.flatMap((packet, index) =>
    fragmentsOf(packet.ip, index, 240).map((ip) => ({ ...packet, ip })),
  );
  return [...call, ...tcp, ...parts];
}

/** Replaces, removes or repeats a few bytes. */
const wounds = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.uint8Array({ maxLength: 8 }),
    removed: fc.nat(8),
  }),
  { minLength: 1, maxLength: 12 },
);

let files = 0;
async function importBytes(bytes: Buffer) {
  const file = join(directory, `${(files % 4) + 1}.pcap`);
  files += 1;
  writeFileSync(file, bytes);
  const spool = join(directory, 'spool');
  rmSync(spool, { recursive: true, force: true });
  const signal = new AbortController().signal;
  const given = {
    by: 'x',
    known: new Map(),
    stateOf: () => undefined,
    isDryRun: false,
    onBytes: () => undefined,
    signal,
  };
  return importCaptures({ files: [file], spool, ...given }).catch((thrown: unknown) => {
    // The one thing that it may say instead of a report.
    if (!(thrown instanceof GrecError) || thrown.code !== 'CAPTURE_UNREADABLE') throw thrown;
  });
}

t.test('mutated captures never throw anything but that they are none', async (t) => {
  const all = packets();
  await fc.assert(
    fc.asyncProperty(format, wounds, async (chosen, changes) => {
      let bytes = captureFile(all, chosen);
      for (const { at, bytes: inserted, removed } of changes) {
        const offset = Math.floor(at * bytes.length);
        bytes = Buffer.concat([bytes.subarray(0, offset), inserted, bytes.subarray(offset + removed)]);
      }
      await importBytes(bytes);
    }),
    { numRuns: 60 },
  );
  t.pass('all were read');
});

t.test('any bytes behind any header, in pieces of any size', async (t) => {
  fc.assert(
    fc.property(
      format,
      fc.uint8Array({ maxLength: 400 }),
      fc.integer({ min: 1, max: 64 }),
      (chosen, junk, size) => {
        const bytes = Buffer.concat([captureFile(packets().slice(0, 1), chosen), junk]);
        const reader = createFrameReader();
        const [sip, read, book] = [new SipReader(), new PacketReader(), new CallBook()];
        for (let at = 0; at < bytes.length; at += size) {
          for (const frame of reader.push(bytes.subarray(at, at + size))) {
            const packet = read.read(frame);
            if (packet !== undefined) for (const message of sip.read(packet)) book.take(message, packet.at);
          }
        }
      },
    ),
    { numRuns: 100 },
  );
  t.pass('all were read');
});

t.test('frames come out the same, whatever the pieces are', async (t) => {
  fc.assert(
    fc.property(format, fc.integer({ min: 1, max: 5000 }), (chosen, size) => {
      const bytes = captureFile(overUdp({ packets: 3 }), chosen);
      const reader = createFrameReader();
      const frames = [];
      for (let at = 0; at < bytes.length; at += size)
        frames.push(
          ...[...reader.push(bytes.subarray(at, at + size))].map((frame) => ({
            at: frame.at,
            length: frame.bytes.length,
          })),
        );
      const expected = overUdp({ packets: 3 }).map(({ at, ip }) => ({
        at,
        length: LINKS[chosen.link]?.frame(ip).length,
      }));
      return (
        JSON.stringify(frames) === JSON.stringify(expected) &&
        reader.pending === 0 &&
        reader.problem === undefined
      );
    }),
    { numRuns: 100 },
  );
  t.pass('all are the same');
});

t.test(
  'a capture of 8 MB of calls, fragments and streams that lead nowhere takes no memory to speak of',
  async (t) => {
    const file = join(directory, 'flood.pcap');
    const fd = openSync(file, 'w');
    const lines: Captured[] = [];
    for (let index = 0; index < 800; index += 1) {
      const call = callPackets({ callId: `flood-${index}-${'y'.repeat(200)}` });
      const [invite] = call.signalling;
      if (invite === undefined) continue;
      const from = host('192.0.2.1', 1024 + index);
      lines.push({ at: T0 + index, ip: udpPacket(from, host('192.0.2.2', 5060), invite.bytes) });
      lines.push({
        at: T0 + index,
        ip: tcpPacket(from, host('192.0.2.2', 5060), index * 7, invite.bytes.subarray(0, 600)),
      });
      const [part] = fragmentsOf(
        udpPacket(from, host('192.0.2.2', 5060), Buffer.alloc(1400)),
        index & 0xffff,
        1200,
      );
      if (part !== undefined) lines.push({ at: T0 + index, ip: part });
    }
    const block = captureFile(lines, { link: 'raw', isLittleEndian: true, kind: 'pcap' });
    writeSync(fd, block.subarray(0, 24));
    const body = block.subarray(24);
    for (let written = 0; written < 8 << 20; written += body.length) writeSync(fd, body);
    const held = () => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const sizes: number[] = [];
    let pieces = 0;
    const watch = () => {
      pieces += 1;
      if (pieces % 4 === 0) sizes.push(held());
    };
    const signal = new AbortController().signal;
    const given = {
      by: 'x',
      known: new Map(),
      stateOf: () => undefined,
      isDryRun: true,
      onBytes: watch,
      signal,
    };
    const { recordings, unanswered } = await importCaptures({
      files: [file],
      spool: join(directory, 'none'),
      ...given,
    });
    t.same(recordings, []);
    t.equal(unanswered, 800);
    const half = sizes.length >> 1;
    const grown = (Math.max(...sizes.slice(half)) - Math.max(...sizes.slice(0, half))) / (1 << 20);
    t.ok(half >= 3 && grown < 6, `${grown.toFixed(1)} MB more in the second half of ${sizes.length} looks`);
  },
);
