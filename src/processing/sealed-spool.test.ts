// An encrypted spool: recordings are what they are without, live listening goes on, and a key that is missing costs nothing for good.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { keystreamAt, SpoolKeys } from '../spool/sealed-capture.ts';
import { CALL, type Failing, failing, RECORDING } from './fixtures/failing.ts';
import { callBegins, callEnds, captureOf, channelOf, metadataOf, T0, talk } from './fixtures/segments.ts';
import { SegmentTail } from './segment-tail.ts';

const KEY = Buffer.alloc(32, 5);
const keys = new SpoolKeys([KEY]);
const [A, B] = [talk({ label: 'a' }), talk({ label: 'b' })];
const CLEAR = captureOf([...A, ...B]);

function sealedCapture(clear = CLEAR): Buffer {
  const { header, key } = keys.seal();
  return Buffer.concat([header, keystreamAt(key, 24).update(clear.subarray(24))]);
}

function tell({ state }: Failing, capture: Buffer): void {
  state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING), ...callEnds(CALL, RECORDING));
  state.writeSegment(
    'seg-1',
    { metadata: metadataOf(RECORDING, CALL), closed: { at: T0 + 1_100_000 } },
    capture,
  );
}

function writeKey({ config }: Failing): void {
  writeFileSync(join(dirname(config.paths.state), 'spool.key'), `${KEY.toString('hex')}\n`, { mode: 0o600 });
}

async function recordedOf(it: Failing, capture: Buffer): Promise<Int16Array[]> {
  tell(it, capture);
  await it.sync(await it.start());
  const row = it.ask((catalog) => catalog.get(RECORDING));
  t.match(row, { state: 'complete', duration: 1000 });
  const file = join(it.config.paths.archive, row?.path ?? '', 'audio.wav');
  return [channelOf(file, 0), channelOf(file, 1)];
}

t.test('every sample is what it is of a capture in the clear', async (t) => {
  const clear = await recordedOf(failing(t), CLEAR);
  const it = failing(t, 'encryption.spool-key = "spool.key"\n');
  writeKey(it);
  const capture = sealedCapture();
  t.notOk(capture.includes(A[0]?.payload ?? ''), 'nothing can be read in the spool');
  t.same(await recordedOf(it, capture), clear);
});

t.test('captures in the clear are read as well: of before, of others, of imports', async (t) => {
  const it = failing(t, 'encryption.spool-key = "spool.key"\n');
  writeKey(it);
  await recordedOf(it, CLEAR);
});

t.test('without the key it fails with the reason, and is made again when it is back', async (t) => {
  const it = failing(t);
  tell(it, sealedCapture());
  const daemon = await it.start();
  await it.sync(daemon);
  t.match(it.list(daemon), [{ reason: /encrypted with the key [0-9a-f]{8}.*spool-key/, isRetryable: true }]);
  t.match(await it.retry(daemon), { isDone: false });
  await daemon.stop();
  writeKey(it);
  it.configure('encryption.spool-key = "spool.key"\n');
  const second = await it.start();
  t.match(await it.retry(second), { isDone: true, state: 'complete' });
});

t.test('a key that cannot be used keeps grec-procd from starting, and says why', async (t) => {
  const it = failing(t, 'encryption.spool-key = "spool.key"\n');
  await t.rejects(it.start(), { code: 'SPOOL_KEY_UNUSABLE', message: /ENOENT/ });
});

t.test('what is being written is followed', async (t) => {
  const file = join(t.testdir(), 'capture.pcap');
  const sealed = sealedCapture();
  writeFileSync(file, sealed.subarray(0, 24));
  const [tail, blind] = [await SegmentTail.open(file, keys), await SegmentTail.open(file)];
  const [heard, guessed]: [Buffer[], Buffer[]] = [[], []];
  for (let at = 24; at < sealed.length; at += 777) {
    appendFileSync(file, sealed.subarray(at, at + 777));
    await tail?.read(({ payload }) => heard.push(Buffer.from(payload)));
    await blind?.read(({ payload }) => guessed.push(Buffer.from(payload)));
  }
  await Promise.all([tail?.close(), blind?.close()]);
  const spoken = [...A, ...B].toSorted((one, other) => one.at - other.at).map(({ payload }) => payload);
  t.same(heard, spoken);
  t.same(guessed, []);
  t.equal(readFileSync(file).length, CLEAR.length);
});
