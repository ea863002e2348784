// Recordings of rtpengine taken into the spool: once each, whatever ends half-way, and nothing that is not ours.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLogger } from '../log.ts';
import { openCapture } from '../spool/capture-file.ts';
import { parseFacts } from '../spool/segment.ts';
import { captureOf, metadataOf, streamOf, T0, talk } from './fixtures/segments.ts';
import { RtpengineImport } from './rtpengine-import.ts';

const NAME = 'call-1-aa6c32fb740353f3';
const CAPTURE = captureOf([
  ...talk({ label: 'a', packets: 3 }),
  ...talk({ label: 'b', packets: 2, at: T0 + 500 }),
]);
const METADATA = { ...metadataOf('rec-1', 'call-1'), streams: [streamOf('a'), streamOf('b')] };

function setUp(t: Test) {
  const directory = t.testdir({ spool: {}, recordings: { metadata: {}, pcaps: {} } });
  const recordings = join(directory, 'recordings');
  const spool = join(directory, 'spool');
  const done = new Set<string>();
  const problems: string[] = [];
  const open = () =>
    new RtpengineImport({
      recordings,
      spool,
      host: 'here',
      isDone: (segment) => done.has(segment),
      onProblem: (_subject, message) => problems.push(message),
      log: silentLogger(),
    });
  const leave = (capture: Buffer | undefined, metadata: unknown = METADATA, name = NAME) => {
    if (capture !== undefined) writeFileSync(join(recordings, 'pcaps', `${name}.pcap`), capture);
    const text = `/far/pcaps/${name}.pcap\n\ncall end time: 2026-01-31T09:05:08\n\n\n${JSON.stringify(metadata)}\n`;
    writeFileSync(join(recordings, 'metadata', `rtpengine-meta-${name}.txt`), text);
  };
  const left = () => ['metadata', 'pcaps'].flatMap((folder) => readdirSync(join(recordings, folder)));
  return { directory, recordings, spool, done, problems, open, leave, left };
}

function segmentIn(spool: string) {
  const [id = 'missing'] = readdirSync(spool);
  const parsed = parseFacts(readFileSync(join(spool, id, 'facts.jsonl'), 'utf8'));
  if ('problem' in parsed) throw new Error(parsed.problem);
  return { id, facts: parsed.facts, packets: [...openCapture(join(spool, id, 'capture.pcap'))] };
}

/** The same capture with Ethernet headers, as `--recording-format=eth` writes it. */
function withEthernet(capture: Buffer): Buffer {
  const header = Buffer.from(capture.subarray(0, 24));
  header.writeUInt32LE(1, 20);
  const parts: Buffer[] = [header];
  for (let at = 24; at < capture.length; ) {
    const length = capture.readUInt32LE(at + 8);
    const record = Buffer.from(capture.subarray(at, at + 16));
    for (const offset of [8, 12]) record.writeUInt32LE(length + 14, offset);
    parts.push(record, Buffer.alloc(14, 7), capture.subarray(at + 16, at + 16 + length));
    at += 16 + length;
  }
  return Buffer.concat(parts);
}

for (const [format, capture] of [
  ['raw', CAPTURE],
  ['eth', withEthernet(CAPTURE)],
] as const)
  t.test(`a recording with format ${format} becomes a segment, and is gone where it was`, async (t) => {
    const { spool, problems, open, leave, left } = setUp(t);
    leave(capture);
    const importer = open();
    await importer.look();
    t.same(problems, []);
    t.equal(importer.taken, 1);
    t.same(left(), []);
    const { id, facts, packets } = segmentIn(spool);
    t.match(facts.opened, {
      segment: id,
      at: T0 + 500,
      host: 'here',
      ngCallId: 'call-1',
      isUnjournaled: true,
      metadata: { recording: 'rec-1', call: 'call-1' },
      streams: [{ label: 'a' }, { label: 'b' }],
    });
    t.match(facts.closed, { at: T0 + 41_000, reason: 'stopped', packets: { a: 3, b: 2 } });
    t.same(packets.length, 5);
    t.equal(readdirSync(spool).length, 1);
  });

t.test('what was taken before a crash is not taken again', async (t) => {
  const { spool, done, open, leave, left } = setUp(t);
  leave(CAPTURE);
  await open().look();
  const { id } = segmentIn(spool);
  leave(CAPTURE);
  const again = open();
  await again.look();
  t.equal(again.taken, 0, 'it lies in the spool');
  t.same(left(), []);
  done.add(id);
  renameSync(join(spool, id), join(spool, '..', 'processed'));
  leave(undefined);
  await again.look();
  t.equal(again.taken, 0, 'it has become a recording');
  t.same(left(), []);
  t.same(readdirSync(spool), []);
});

t.test('a copy that a crash cut off is made anew', async (t) => {
  const { spool, open, leave } = setUp(t);
  leave(CAPTURE);
  await open().look();
  const { id } = segmentIn(spool);
  renameSync(join(spool, id), join(spool, `.rtpengine-${id}`));
  leave(CAPTURE);
  await open().look();
  t.same(readdirSync(spool), [id]);
  t.equal(segmentIn(spool).packets.length, 5);
});

t.test('a capture in which nothing came is one', async (t) => {
  for (const nothing of [Buffer.alloc(0), CAPTURE.subarray(0, 24)]) {
    const { spool, problems, open, leave } = setUp(t);
    leave(nothing);
    await open().look();
    t.same(problems, []);
    const { facts, packets } = segmentIn(spool);
    t.same(packets, []);
    t.match(facts.closed, { packets: { a: 0, b: 0 } });
  }
});

t.test('a capture whose end is missing gives its whole records', async (t) => {
  for (const capture of [CAPTURE, withEthernet(CAPTURE)]) {
    const { spool, open, leave } = setUp(t);
    leave(capture.subarray(0, capture.length - 20));
    await open().look();
    t.equal(segmentIn(spool).packets.length, 4);
  }
});

t.test('what cannot be taken is told once, stays, and holds up nothing else', async (t) => {
  const { recordings, spool, problems, open, leave, left } = setUp(t);
  leave(CAPTURE, { from: 'somebody else' }, 'other-aa6c32fb740353f0');
  leave(undefined, METADATA, 'lost-aa6c32fb740353f1');
  leave(Buffer.alloc(100, 1), METADATA, 'nonsense-aa6c32fb740353f2');
  writeFileSync(join(recordings, 'metadata', 'empty.txt'), '');
  leave(CAPTURE);
  const importer = open();
  await importer.look();
  await importer.look();
  t.equal(problems.length, 4);
  for (const reason of [/not that of a grec-sipd/, /no such file/, /magic/, /names no capture/])
    t.ok(
      problems.some((problem) => reason.test(problem)),
      String(reason),
    );
  t.equal(readdirSync(spool).filter((name) => !name.startsWith('.')).length, 1);
  t.equal(left().length, 6);
});

t.test('a directory that is not there yet is no problem', async (t) => {
  const { directory, spool, problems } = setUp(t);
  const recordings = join(directory, 'later');
  const importer = new RtpengineImport({
    recordings,
    spool,
    host: 'here',
    isDone: () => false,
    onProblem: (_subject, message) => problems.push(message),
    log: silentLogger(),
  });
  await importer.look();
  t.same(problems, []);
  t.notOk(existsSync(recordings));
  mkdirSync(join(recordings, 'metadata'), { recursive: true });
  await importer.look();
  t.same(problems, []);
});
