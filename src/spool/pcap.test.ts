// A capture's bytes, literally; what is written reads back; any cut leaves the whole records before it.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import {
  type Endpoint,
  FILE_HEADER_BYTES,
  fileHeader,
  flowHeader,
  recordLength,
  writeRecord,
} from './pcap.ts';
import { type CapturedPacket, captureCursor, checkFileHeader, decodeRecords } from './pcap-reader.ts';

interface Datagram {
  at: number;
  source: Endpoint;
  destination: Endpoint;
  payload: Buffer;
}

function capture(datagrams: Datagram[]): Buffer {
  const parts = [fileHeader()];
  for (const { at, source, destination, payload } of datagrams) {
    const flow = flowHeader(source, destination);
    const record = Buffer.alloc(recordLength(flow, payload.length));
    assert.equal(writeRecord(record, 0, at, flow, payload), record.length);
    parts.push(record);
  }
  return Buffer.concat(parts);
}

function packetsOf(bytes: Buffer): CapturedPacket[] {
  const problem = checkFileHeader(bytes);
  if (problem !== undefined) throw new Error(problem);
  return [...decodeRecords(bytes, captureCursor(FILE_HEADER_BYTES))];
}

function onesComplementSum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

t.test('an IPv4 datagram, byte by byte', async (t) => {
  const bytes = capture([
    {
      at: 1_700_000_000_123_456,
      source: { address: '192.0.2.1', port: 4000 },
      destination: { address: '198.51.100.2', port: 30000 },
      payload: Buffer.from('80000001', 'hex'),
    },
  ]);
  t.equal(
    bytes.toString('hex'),
    [
      'd4c3b2a1' + '0200' + '0400' + '00000000' + '00000000' + 'ffff0000' + '65000000',
      '00f15365' + '40e20100' + '20000000' + '20000000',
      '4500' + '0020' + '0000' + '4000' + '4011' + '4e96' + 'c0000201' + 'c6336402',
      '0fa0' + '7530' + '000c' + '0000',
      '80000001',
    ].join(''),
  );
});

t.test('an IPv6 datagram, byte by byte', async (t) => {
  const bytes = capture([
    {
      at: 1_700_000_000_000_001,
      source: { address: '2001:db8::1', port: 4000 },
      destination: { address: '2001:db8::2', port: 30000 },
      payload: Buffer.from('800000', 'hex'),
    },
  ]);
  const record = bytes.subarray(FILE_HEADER_BYTES);
  t.equal(record.subarray(0, 16).toString('hex'), '00f15365' + '01000000' + '33000000' + '33000000');
  t.equal(record.subarray(16, 24).toString('hex'), '60000000' + '000b' + '11' + '40');
  t.equal(record.subarray(24, 40).toString('hex'), '20010db8000000000000000000000001');
  t.equal(record.subarray(40, 56).toString('hex'), '20010db8000000000000000000000002');
  t.equal(record.subarray(56, 62).toString('hex'), '0fa0' + '7530' + '000b');
  const pseudo = Buffer.concat([record.subarray(24, 56), Buffer.from('0000000b00000011', 'hex')]);
  const covered = Buffer.concat([pseudo, record.subarray(56), Buffer.alloc(1)]);
  t.equal(onesComplementSum(covered), 0xffff, 'the checksum verifies');
});

const v4 = fc.ipV4();
const v6 = fc.ipV6().map((address) => new URL(`http://[${address}]/`).hostname.slice(1, -1));
const port = fc.integer({ min: 1, max: 65535 });
const payload = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
const endpoint = (address: fc.Arbitrary<string>) =>
  fc.tuple(address, port).map(([address, port]) => ({ address, port }));
const datagram = fc.boolean().chain((isV6) => {
  const side = endpoint(isV6 ? v6 : v4);
  return fc
    .tuple(fc.integer({ min: 0, max: 4e15 }), side, side, payload)
    .map(([at, source, destination, payload]): Datagram => ({ at, source, destination, payload }));
});

t.test('what is written reads back', async (t) => {
  fc.assert(
    fc.property(fc.array(datagram, { maxLength: 8 }), (datagrams) => {
      assert.deepEqual(packetsOf(capture(datagrams)), datagrams);
    }),
    { numRuns: 200 },
  );
  t.pass();
});

t.test('the checksum of every IPv4 header verifies', async (t) => {
  fc.assert(
    fc.property(endpoint(v4), endpoint(v4), payload, (source, destination, payload) => {
      const bytes = capture([{ at: 1, source, destination, payload }]);
      return onesComplementSum(bytes.subarray(FILE_HEADER_BYTES + 16, FILE_HEADER_BYTES + 36)) === 0xffff;
    }),
  );
  t.pass();
});

t.test('a cut at any byte leaves the whole records before it', async (t) => {
  const datagrams = [1, 2, 3].map((n) => ({
    at: n,
    source: { address: '127.0.0.1', port: n },
    destination: { address: '127.0.0.1', port: 30000 },
    payload: Buffer.alloc(n, n),
  }));
  const bytes = capture(datagrams);
  const ends = datagrams.map((_, index) => capture(datagrams.slice(0, index + 1)).length);
  for (let cut = FILE_HEADER_BYTES; cut <= bytes.length; cut += 1) {
    const found = packetsOf(bytes.subarray(0, cut));
    if (found.length !== ends.filter((end) => end <= cut).length)
      t.fail(`cut at ${cut}: ${found.length} packets`);
  }
  for (let cut = 0; cut < FILE_HEADER_BYTES; cut += 1) {
    t.match(checkFileHeader(bytes.subarray(0, cut)), /too few/);
  }
});

t.test('nonsense is refused with a reason, and never throws', async (t) => {
  const other = fileHeader();
  other.writeUInt32LE(1, 20);
  t.match(checkFileHeader(other), /link type 1 is not 101/);
  t.match(checkFileHeader(Buffer.alloc(24)), /magic/);
  const bad = Buffer.concat([fileHeader(), Buffer.alloc(16, 0xff)]);
  const cursor = captureCursor(FILE_HEADER_BYTES);
  t.strictSame([...decodeRecords(bad, cursor)], []);
  t.match(cursor.problem, /cannot be/);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      const cursor = captureCursor(0);
      const found = [...decodeRecords(Buffer.from(noise), cursor)];
      return cursor.offset <= noise.length && found.length * 44 <= noise.length;
    }),
    { numRuns: 500 },
  );
});
