// Captures that are encrypted in the spool: read back whole, or as far as they go, with the keys alone that have encrypted them.
import { createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { appendFileSync, chmodSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openCapture } from './capture-file.ts';
import { fileHeader, flowHeader, recordLength, writeRecord } from './pcap.ts';
import { recoverSpool } from './recover.ts';
import { isSealed, keystreamAt, SpoolKeys, sealProblem, unseal } from './sealed-capture.ts';
import { openSegment } from './segment-writer.ts';
import { readSpoolKeys } from './spool-keys.ts';

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const keys = new SpoolKeys([OLD]);
const flow = flowHeader({ address: '192.0.2.1', port: 4000 }, { address: '192.0.2.9', port: 30000 });
const stream = {
  label: 'a' as const,
  tag: 'a',
  address: '192.0.2.1',
  rtpPort: 30000,
  rtcpPort: 30001,
  formats: [],
};
const opened = { at: 1e15, host: 'here', ngCallId: 'call-1', streams: [stream] };

function record(n: number): Buffer {
  const payload = Buffer.from(`secret ${n}`);
  const bytes = Buffer.alloc(recordLength(flow, payload.length));
  writeRecord(bytes, 0, 1e15 + n, flow, payload);
  return bytes;
}
const records = Buffer.concat(Array.from({ length: 40 }, (_, n) => record(n)));

/** A segment with an encrypted capture of these records, written in pieces. */
async function sealed(spool: string, with_ = keys) {
  const segment = await openSegment(spool, opened, with_);
  const keystream = keystreamAt(segment.key ?? Buffer.alloc(32), 24);
  for (let at = 0; at < records.length; at += 33)
    appendFileSync(segment.capture, keystream.update(records.subarray(at, at + 33)));
  await segment.abandon();
  return segment;
}

const payloads = (path: string, by?: SpoolKeys) =>
  [...openCapture(path, by)].map(({ payload }) => String(payload));
const whole = Array.from({ length: 40 }, (_, n) => `secret ${n}`);

t.test('nothing of it can be read without the key, all of it with', async (t) => {
  const { capture } = await sealed(t.testdir());
  t.notMatch(readFileSync(capture).toString('latin1'), 'secret');
  t.same(payloads(capture, keys), whole);
  t.same(payloads(capture, new SpoolKeys([NEW, OLD])), whole, 'also after another key has taken its place');
  for (const none of [undefined, new SpoolKeys([NEW])])
    t.throws(() => payloads(capture, none), {
      code: 'SPOOL_INVALID',
      message: /encrypted with the key [0-9a-f]{8}, which/,
    });
});

t.test('public tools open it, as the manual says', async (t) => {
  const { capture } = await sealed(t.testdir());
  const bytes = readFileSync(capture);
  t.equal(bytes.toString('latin1', 0, 8), 'grecSEA1');
  t.equal(bytes.toString('hex', 8, 12), createHash('sha256').update(OLD).digest('hex').slice(0, 8));
  const key = Buffer.from(hkdfSync('sha256', OLD, bytes.subarray(12, 24), 'grec capture', 32));
  const clear = createDecipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(bytes.subarray(24));
  t.same(clear, records);
});

t.test('each capture has a key of its own', async (t) => {
  const spool = t.testdir();
  const [one, other] = [await sealed(spool), await sealed(spool)];
  t.notSame(one.key, other.key);
  t.notSame(readFileSync(one.capture).subarray(24, 60), readFileSync(other.capture).subarray(24, 60));
});

t.test('any place of it can be opened by itself', async (t) => {
  const key = Buffer.alloc(32, 7);
  const all = keystreamAt(key, 24).update(records);
  for (const [from, to] of [
    [0, 1],
    [1, 17],
    [15, 33],
    [16, 32],
    [500, 777],
    [4090, 4100],
  ] as const) {
    const part = Buffer.from(all.subarray(from, to));
    unseal(key, part, 24 + from);
    t.same(part, records.subarray(from, to), `${from} to ${to}`);
  }
  const far = 2 ** 40 + 5;
  const part = Buffer.from('far away');
  unseal(key, part, far);
  unseal(key, part, far);
  t.equal(String(part), 'far away');
});

t.test('cut anywhere it is closed with its whole packets', async (t) => {
  const spool = t.testdir();
  for (const cut of [0, 1, 23, 24, 25, 100, records.length - 1, records.length + 24]) {
    const { capture, id } = await sealed(spool);
    truncateSync(capture, cut);
    const { recovered } = await recoverSpool(spool, [id], keys);
    const expected = Math.max(0, Math.min(40, countAt(cut)));
    t.match(recovered, [{ packets: expected }], `${cut} bytes`);
    t.equal(payloads(capture, keys).length, expected);
  }
});

function countAt(cut: number): number {
  let [count, at] = [0, 24];
  for (; count < 40 && at + record(count).length <= cut; count += 1) at += record(count).length;
  return count;
}

t.test(
  'a key that is gone: closed as it is, with the reason, and readable when the key is back',
  async (t) => {
    const spool = t.testdir();
    const { capture, id } = await sealed(spool);
    const { recovered } = await recoverSpool(spool, [id]);
    t.match(recovered, [{ packets: 0, cutBytes: 0, problem: /encrypted with the key/ }]);
    t.same(payloads(capture, keys), whole);
  },
);

t.test('headers of others, and altered captures, are no harm', async (t) => {
  const { capture } = await sealed(t.testdir());
  const bytes = readFileSync(capture);
  t.notOk(isSealed(fileHeader()));
  t.notOk(isSealed(bytes.subarray(0, 23)));
  t.equal(sealProblem(fileHeader(), undefined), undefined);
  for (let at = 0; at < bytes.length; at += 17) {
    const altered = Buffer.from(bytes);
    altered[at] = (altered[at] ?? 0) ^ 0x55;
    writeFileSync(capture, altered);
    try {
      t.ok(payloads(capture, keys).length <= 40);
    } catch (thrown) {
      t.match(thrown, { code: 'SPOOL_INVALID' });
    }
  }
});

t.test('the file of the keys: its owner alone may read it, and each line is a key', async (t) => {
  const file = join(t.testdir(), 'spool.key');
  const write = (text: string, mode = 0o600) => {
    writeFileSync(file, text);
    chmodSync(file, mode);
    return () => readSpoolKeys(file);
  };
  t.equal(readSpoolKeys(undefined), undefined);
  const read = write(`# newest first\n${NEW.toString('hex')}\n\n${OLD.toString('hex')}\n`)();
  t.same(read?.keyOf(new SpoolKeys([OLD]).seal().header)?.length, 32);
  t.match(read?.seal().header.subarray(8, 12), new SpoolKeys([NEW]).seal().header.subarray(8, 12));
  const refused = (message: RegExp) => ({
    code: 'SPOOL_KEY_UNUSABLE',
    message,
    hint: /openssl rand -hex 32/,
  });
  t.throws(write(OLD.toString('hex'), 0o640), refused(/others than its owner/));
  t.throws(write(''), refused(/has no key/));
  t.throws(write(`${OLD.toString('hex')}\nabcd\n`), refused(/line 2 is no key of 64/));
  t.throws(() => readSpoolKeys(join(file, 'x')), refused(/ENOTDIR/));
  t.throws(() => readSpoolKeys(`${file}.none`), refused(/ENOENT/));
});
