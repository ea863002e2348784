// What a dead media server left behind: cut anywhere, it is closed with all its whole packets, or told of with a reason.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { openCapture } from './capture-file.ts';
import { fileHeader, flowHeader, recordLength, writeRecord } from './pcap.ts';
import { recoverSpool } from './recover.ts';
import { CAPTURE_FILE, FACTS_FILE, parseFacts } from './segment.ts';
import { openSegment } from './segment-writer.ts';

const flow = flowHeader({ address: '127.0.0.1', port: 4000 }, { address: '127.0.0.1', port: 30000 });
const stream = {
  label: 'a' as const,
  tag: 'tag-a',
  address: '127.0.0.1',
  rtpPort: 30000,
  rtcpPort: 30001,
  formats: [],
};
const opened = { at: 1e15, host: 'here', ngCallId: 'call-1', streams: [stream] };

function record(n: number): Buffer {
  const payload = Buffer.alloc(2, n);
  const bytes = Buffer.alloc(recordLength(flow, payload.length));
  writeRecord(bytes, 0, 1e15 + n, flow, payload);
  return bytes;
}

async function crashed(spool: string, count: number): Promise<string> {
  const segment = await openSegment(spool, opened);
  for (let n = 1; n <= count; n += 1) appendFileSync(segment.capture, record(n));
  await segment.note({ type: 'media', at: 1e15 + 1, streams: [stream] });
  await segment.abandon();
  return segment.directory;
}

function factsOf(directory: string) {
  const parsed = parseFacts(readFileSync(join(directory, FACTS_FILE), 'utf8'));
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.facts;
}

t.test('a segment that was closed is left alone', async (t) => {
  const spool = t.testdir();
  const segment = await openSegment(spool, opened);
  appendFileSync(segment.capture, record(1));
  await segment.close({ at: 1e15 + 9, reason: 'stopped', packets: { a: 1, b: 0 }, lost: 0 }, 24 + 46);
  t.strictSame(await recoverSpool(spool), { recovered: [], unbegun: [], broken: [], failed: [] });
  t.match(factsOf(segment.directory).closed, { reason: 'stopped', packets: { a: 1 } });
  t.equal([...openCapture(join(segment.directory, CAPTURE_FILE))].length, 1);
});

t.test('a capture cut at any byte keeps its whole packets', async (t) => {
  const spool = t.testdir();
  const directory = await crashed(spool, 3);
  const capture = readFileSync(join(directory, CAPTURE_FILE));
  const facts = readFileSync(join(directory, FACTS_FILE));
  for (let cut = 0; cut <= capture.length; cut += 1) {
    writeFileSync(join(directory, CAPTURE_FILE), capture.subarray(0, cut));
    writeFileSync(join(directory, FACTS_FILE), facts);
    const whole = Math.max(0, Math.floor((cut - 24) / 46));
    const { recovered } = await recoverSpool(spool);
    const { closed } = factsOf(directory);
    const read = openCapture(join(directory, CAPTURE_FILE));
    const isRight =
      recovered[0]?.packets === whole &&
      closed?.reason === 'recovered' &&
      closed.at === 1e15 + whole &&
      [...read].length === whole &&
      read.truncatedBytes === 0;
    if (!isRight) t.fail(`cut at ${cut}: ${JSON.stringify({ recovered, closed })}`);
  }
  t.strictSame((await recoverSpool(spool)).recovered, [], 'once is enough');
});

t.test(
  'facts cut at any byte are closed, or left for a look when not even the first line is whole',
  async (t) => {
    const spool = t.testdir();
    const directory = await crashed(spool, 1);
    const facts = readFileSync(join(directory, FACTS_FILE));
    const capture = readFileSync(join(directory, CAPTURE_FILE));
    const firstLine = facts.indexOf('\n') + 1;
    for (let cut = 0; cut <= facts.length; cut += 1) {
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, CAPTURE_FILE), capture);
      writeFileSync(join(directory, FACTS_FILE), facts.subarray(0, cut));
      const { recovered, broken } = await recoverSpool(spool);
      if (cut < firstLine) {
        const isLeft = broken.length === 1 && readFileSync(join(directory, CAPTURE_FILE)).equals(capture);
        if (!isLeft) t.fail(`cut at ${cut}: ${JSON.stringify(broken)}`);
      } else {
        const { media, closed } = factsOf(directory);
        const isRight =
          recovered.length === 1 &&
          closed?.reason === 'recovered' &&
          media.length === (cut === facts.length ? 1 : 0);
        if (!isRight) t.fail(`cut at ${cut}: ${JSON.stringify({ recovered, media, closed })}`);
      }
    }
    t.pass(`${facts.length} cuts`);
  },
);

t.test(
  'what is no segment is told of and left alone; what failed before is none of its business',
  async (t) => {
    const spool = t.testdir({
      another: { 'a-file': '' },
      captured: { [CAPTURE_FILE]: 'more than the header of a capture' },
      foreign: { [CAPTURE_FILE]: 'x', [FACTS_FILE]: 'nonsense\n' },
      failed: { 'an-old-segment': {} },
      'a-file': '',
    });
    const { broken, unbegun } = await recoverSpool(spool);
    t.match(broken, [
      { segment: 'another', reason: /no facts/ },
      { segment: 'captured', reason: /no facts/ },
      { segment: 'foreign', reason: /line 1/ },
    ]);
    t.equal(broken.length, 3);
    t.strictSame(unbegun, []);
    t.strictSame(readdirSync(join(spool, 'foreign')).sort(), [CAPTURE_FILE, FACTS_FILE]);
  },
);

t.test('a segment that a crash caught before its first fact is taken away: nothing was in it', async (t) => {
  const spool = t.testdir({
    empty: {},
    header: { [CAPTURE_FILE]: fileHeader() },
    half: { [CAPTURE_FILE]: fileHeader(), [FACTS_FILE]: '{"type":"open' },
  });
  const { broken, unbegun } = await recoverSpool(spool);
  t.strictSame(unbegun, ['empty', 'half', 'header']);
  t.strictSame(broken, []);
  t.strictSame(readdirSync(spool), []);
});

t.test('a capture that is none is left for a look, and told', async (t) => {
  const spool = t.testdir();
  const directory = await crashed(spool, 1);
  writeFileSync(join(directory, CAPTURE_FILE), 'no capture at all, but long enough');
  t.match(await recoverSpool(spool), { recovered: [{ packets: 0, problem: /is no capture/ }], failed: [] });
  t.match(readFileSync(join(directory, CAPTURE_FILE), 'utf8'), /^no capture at all/);
  t.equal(factsOf(directory).closed?.reason, 'recovered', 'the processor tells what became of it');
  t.strictSame(await recoverSpool(join(spool, 'none')), {
    recovered: [],
    unbegun: [],
    broken: [],
    failed: [],
  });
});

t.test('nothing is read or written through a link, and nobody waits for a pipe', async (t) => {
  const outside = join(t.testdir({ secret: '' }), 'secret');
  const spool = join(t.testdirName, 'spool');
  mkdirSync(spool);
  const [linked, piped] = [await crashed(spool, 1), await crashed(spool, 1)];
  rmSync(join(linked, CAPTURE_FILE));
  symlinkSync(outside, join(linked, CAPTURE_FILE));
  rmSync(join(piped, FACTS_FILE));
  execFileSync('mkfifo', [join(piped, FACTS_FILE)]);
  t.match(await recoverSpool(spool), {
    recovered: [{ segment: basename(linked), packets: 0, problem: /not a regular file/ }],
    broken: [{ segment: basename(piped), reason: /not a regular file/ }],
  });
  t.equal(readFileSync(outside, 'utf8'), '');
});

t.test('what stands after the bytes that count is cut off when a segment is closed', async (t) => {
  const segment = await openSegment(t.testdir(), opened);
  appendFileSync(segment.capture, Buffer.concat([record(1), Buffer.alloc(500, 7)]));
  await segment.close({ at: 1e15 + 9, reason: 'stopped', lost: 0 }, 24 + 46);
  const capture = openCapture(segment.capture);
  t.equal([...capture].length, 1);
  t.equal(capture.truncatedBytes, 0);
});

t.test('a spool that cannot be written is refused with a reason', async (t) => {
  const spool = t.testdir({ file: '' });
  await t.rejects(openSegment(join(spool, 'file'), opened), {
    code: 'SPOOL_WRITE',
    message: /cannot write the segment/,
  });
});
