// Captures in, recordings out: through the spool and the processor, sample by sample and on the right channels.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readMetadata } from '../archive/read.ts';
import {
  type Captured,
  captureFile,
  type FileFormat,
  fragmentsOf,
  LINKS,
  tcpPacket,
  udpPacket,
} from '../capture/fixtures/frames.ts';
import { openCatalogReader } from '../catalog/catalog.ts';
import { loadConfig } from '../config.ts';
import { silentLogger } from '../log.ts';
import { channelOf, tone } from '../processing/fixtures/segments.ts';
import { startProcessor } from '../processing/processor.ts';
import { MULAW_TO_LINEAR } from '../rtp/g711.ts';
import { openCapture } from '../spool/capture-file.ts';
import { CAPTURE_FILE } from '../spool/segment.ts';
import { buildRtpPacket, readRtpPacket } from '../testing/packets.ts';
import { type CallOptions, callPackets, host, overUdp, sipMessage, speech, T0 } from './fixtures/calls.ts';
import { type ImportOptions, type ImportReport, importCaptures } from './import-captures.ts';

const PLAIN: FileFormat = { link: 'ethernet', isLittleEndian: true, kind: 'pcap' };
const SECOND = 8000;

/** A state directory and what imports into it. */
function prepare(t: Test) {
  const directory = mkdtempSync(join(tmpdir(), 'grec-import-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'grec.toml');
  writeFileSync(file, 'state.directory = "state"\n');
  const config = loadConfig({ file });
  let files = 0;
  const save = (bytes: Buffer): string => {
    files += 1;
    const path = join(directory, `${files}.pcap`);
    writeFileSync(path, bytes);
    return path;
  };
  const read = (paths: string[], more: Partial<ImportOptions> = {}): Promise<ImportReport> =>
    importCaptures({
      files: paths,
      spool: config.paths.spool,
      by: 'operator',
      known: new Map(),
      stateOf: () => undefined,
      isDryRun: false,
      onBytes: () => undefined,
      signal: new AbortController().signal,
      ...more,
    });
  /** Lets the processor make all there is; the recordings, oldest first. */
  const process = async () => {
    const processor = await startProcessor({ config, log: silentLogger() });
    await processor.routes?.['POST /sync']?.({ params: {}, query: new URLSearchParams(), body: undefined });
    await processor.stop();
    const catalog = openCatalogReader(config.paths.catalog);
    const rows = catalog.list({ limit: 100 }).toReversed();
    catalog.close();
    return rows.map((row) => {
      const folder = join(config.paths.archive, row.path ?? '');
      const audio = join(folder, 'audio.wav');
      return { row, metadata: row.path === null ? undefined : readMetadata(folder), audio };
    });
  };
  return { config, save, read, process };
}

/** The samples of a party that speaks from the beginning. */
function said(voice: number, seconds = 1): Int16Array {
  return Int16Array.from(tone(0, seconds * SECOND, voice), (byte) => MULAW_TO_LINEAR[byte] ?? 0);
}

/** Whether a channel is these samples, `after` samples of silence; the other party may begin some earlier. */
function holds(t: Test, audio: string, channel: 0 | 1, samples: Int16Array, after: number): void {
  const found = channelOf(audio, channel).subarray(after, after + samples.length);
  t.equal(Buffer.compare(bytesOf(found), bytesOf(samples)), 0, `channel ${channel} is exact`);
}

const bytesOf = (samples: Int16Array) => Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);

async function importOne(
  t: Test,
  packets: readonly Captured[],
  format = PLAIN,
  more: Partial<ImportOptions> = {},
) {
  const state = prepare(t);
  const report = await state.read([state.save(captureFile(packets, format))], more);
  return { ...state, report, made: await state.process() };
}

t.test('keys that are to be in no recording are in none that is imported', async (t) => {
  const [from, to] = [host('192.0.2.1', 4000), host('192.0.2.2', 5000)];
  const keys = Array.from({ length: 6 }, (_, index): Captured => {
    const fields = { payloadType: 101, ssrc: 100, sequenceNumber: 44 + index, timestamp: 8000 };
    const packet = buildRtpPacket({ ...fields, payload: Buffer.from([5, 10, 0, index]) });
    return { at: T0 + 2_010_000 + index * 1000, ip: udpPacket(from, to, packet) };
  });
  const packets = [...overUdp(), ...keys].sort((one, other) => one.at - other.at);
  for (const isDtmfDropped of [true, false]) {
    const state = prepare(t);
    const report = await state.read([state.save(captureFile(packets, PLAIN))], { isDtmfDropped });
    t.match(report.recordings, [{ result: 'imported', packets: { a: isDtmfDropped ? 50 : 56, b: 50 } }]);
    const [segment = ''] = readdirSync(state.config.paths.spool);
    const captured = [...openCapture(join(state.config.paths.spool, segment, CAPTURE_FILE))];
    const events = captured.filter(({ payload }) => readRtpPacket(payload)?.payloadType === 101);
    t.equal(events.length, isDtmfDropped ? 0 : 6);
    const [made] = await state.process();
    t.match(made?.metadata?.quality, [{ lost: 0 }, { lost: 0 }]);
    t.equal(made?.row.state, 'complete');
  }
});

t.test('every frame and file format gives the same recording', async (t) => {
  const formats: FileFormat[] = [
    ...Object.keys(LINKS).map((link): FileFormat => ({ link, isLittleEndian: true, kind: 'pcap' })),
    { link: 'ethernet', isLittleEndian: false, kind: 'pcap' },
    { link: 'ethernet', isLittleEndian: true, kind: 'nanosecond pcap' },
    { link: 'raw', isLittleEndian: false, kind: 'nanosecond pcap' },
    { link: 'ethernet', isLittleEndian: true, kind: 'pcapng' },
    { link: 'linux cooked', isLittleEndian: false, kind: 'pcapng' },
    { link: 'ethernet', isLittleEndian: true, kind: 'nanosecond pcapng' },
  ];
  const state = prepare(t);
  for (const [index, format] of formats.entries()) {
    const file = state.save(captureFile(overUdp({ callId: `call-${index}`, at: T0 + index * 60e6 }), format));
    const { recordings } = await state.read([file]);
    t.match(
      recordings,
      [{ result: 'imported', from: '7002', to: '7001', packets: { a: 50, b: 50 } }],
      format.link,
    );
  }
  const made = await state.process();
  t.equal(made.length, formats.length);
  for (const { row, audio } of made) {
    t.equal(row.state, 'complete');
    holds(t, audio, 0, said(0), 0);
    // The callee's packets come 3 ms later.
    holds(t, audio, 1, said(1), 24);
  }
});

t.test('what the recording says of its call', async (t) => {
  const { made, report } = await importOne(
    t,
    overUdp({ ok: ['P-Asserted-Identity: "Bob" <sip:+3902@example.com>'] }),
  );
  t.match(report, { unanswered: 0, malformed: 0, files: [{ problems: [] }] });
  const [{ row, metadata }] = made as [(typeof made)[number]];
  t.match(row, { state: 'complete', caller: '7002', callee: '+3902', direction: null, reason: null });
  t.equal(row.startTime, (T0 + 1_020_000) / 1000);
  t.match(metadata?.parties, [
    { label: 'a', role: 'agent', channel: 0, number: '7002', name: 'Žofie' },
    { label: 'b', role: 'customer', channel: 1, number: '+3902', name: 'Bob' },
  ]);
  t.same(metadata?.remarks, []);
  t.same(
    metadata?.events?.map(({ event }) => event),
    ['call.ringing', 'call.answered', 'call.released', 'recording.imported'],
  );
  t.match(metadata?.events?.[3], { by: 'operator', files: ['1.pcap'], callIds: ['call-1@example.com'] });
});

t.test('the agent is on the left: a DN that is known, and of two the one that is recorded', async (t) => {
  const known = (entries: Record<string, boolean>) =>
    new Map(Object.entries(entries).map(([number, isRecorded]) => [number, { isRecorded }]));
  for (const [numbers, left, direction] of [
    [known({ 7001: false }), 'b', 'inbound'],
    [known({ 7002: false }), 'a', 'outbound'],
    [known({ 7001: true, 7002: false }), 'b', 'internal'],
    [known({ 7001: false, 7002: false }), 'a', 'internal'],
  ] as const) {
    const { made } = await importOne(t, overUdp(), PLAIN, { known: numbers });
    const [{ row, metadata, audio }] = made as [(typeof made)[number]];
    t.equal(row.direction, direction);
    t.equal(metadata?.parties[0]?.label, left);
    holds(t, audio, left === 'a' ? 0 : 1, said(0), 0);
    holds(t, audio, left === 'a' ? 1 : 0, said(1), 24);
  }
});

t.test('SIP over TCP, cut and out of order; large UDP messages in fragments; IPv6', async (t) => {
  const state = prepare(t);
  const tcp = callPackets({ callId: 'tcp' });
  const next = [1000, 4_294_967_000];
  const segments = tcp.signalling.flatMap(({ at, from, bytes }) => {
    const ends = [host('192.0.2.1', 33_000), host('192.0.2.2', 5060)] as const;
    const cut = Math.floor(bytes.length / 3);
    const parts = [bytes.subarray(0, cut), bytes.subarray(cut, 2 * cut), bytes.subarray(2 * cut)];
    const packets = parts.map((part) => {
      const ip = tcpPacket(ends[from], ends[from === 0 ? 1 : 0], next[from] ?? 0, part);
      next[from] = ((next[from] ?? 0) + part.length) >>> 0;
      return ip;
    });
    const [one, two, three] = packets as [Buffer, Buffer, Buffer];
    return [one, three, one, two].map((ip, index) => ({ at: at + index * 10, ip }));
  });
  const large = overUdp({ callId: 'large', at: T0 + 60e6, invite: [`X-Filling: ${'x'.repeat(3000)}`] });
  const fragmented = large.flatMap((packet, index) =>
    packet.ip.length < 1500
      ? [packet]
      : fragmentsOf(packet.ip, index, 1480)
          .reverse()
          .map((ip) => ({ ...packet, ip })),
  );
  const v6 = overUdp({
    callId: 'v6',
    at: T0 + 120e6,
    hosts: ['2001:db8::1', '2001:db8::2'],
    media: [host('2001:db8::1', 4000), host('2001:db8::2', 5000)],
  });
  const file = state.save(
    captureFile(
      [...segments, ...tcp.media, ...fragmented, ...v6].sort((a, b) => a.at - b.at),
      PLAIN,
    ),
  );
  const { recordings, malformed } = await state.read([file]);
  t.match(
    recordings.map(({ result }) => result),
    ['imported', 'imported', 'imported'],
  );
  t.equal(malformed, 0);
  for (const { audio } of await state.process()) {
    holds(t, audio, 0, said(0), 0);
    holds(t, audio, 1, said(1), 24);
  }
});

t.test(
  'one capture in several files is one; the order in which they are named does not matter',
  async (t) => {
    const state = prepare(t);
    const packets = overUdp({ packets: 100 });
    const parts = [packets.slice(0, 60), packets.slice(60, 130), packets.slice(130)];
    const files = parts.map((part, index) =>
      state.save(captureFile(part, { ...PLAIN, kind: index === 1 ? 'pcapng' : 'pcap' })),
    );
    const { recordings, files: reports } = await state.read([files[2] ?? '', files[0] ?? '', files[1] ?? '']);
    t.match(recordings, [{ packets: { a: 100, b: 100 } }]);
    t.same(
      reports.map(({ file }) => file),
      ['1.pcap', '2.pcap', '3.pcap'],
    );
    const [made] = await state.process();
    holds(t, made?.audio ?? '', 0, said(0, 2), 0);
  },
);

t.test('the same capture twice makes no second recording', async (t) => {
  const state = prepare(t);
  const file = state.save(captureFile(overUdp(), PLAIN));
  await state.read([file]);
  t.match((await state.read([file])).recordings, [{ result: 'known' }], 'while it waits in the spool');
  t.equal((await state.process()).length, 1);
  const stateOf = () => 'complete';
  t.match((await state.read([file], { stateOf })).recordings, [{ result: 'known' }], 'once it is made');
  t.match((await state.read([file], { stateOf, isDryRun: true })).recordings, [{ result: 'known' }]);
  // Even when the catalog could not be asked.
  t.match((await state.read([file])).recordings, [{ result: 'imported' }]);
  t.equal((await state.process()).length, 1);
});

t.test('a dry run tells what there is, and touches nothing', async (t) => {
  const state = prepare(t);
  const { recordings } = await state.read([state.save(captureFile(overUdp(), PLAIN))], { isDryRun: true });
  t.match(recordings, [{ result: 'found', packets: { a: 50, b: 50 }, codecs: ['PCMU'] }]);
  t.notOk(existsSync(state.config.paths.spool));
});

t.test('an import that is interrupted leaves nothing', async (t) => {
  const state = prepare(t);
  const file = state.save(captureFile(overUdp(), PLAIN));
  for (const after of [0, 1, 2, 3, 4]) {
    const controller = new AbortController();
    let left = after;
    const onBytes = () => {
      if (left-- === 0) controller.abort(new Error('enough'));
    };
    const work = state.read([file], { signal: controller.signal, onBytes });
    if (after < 3) await t.rejects(work, { message: 'enough' }, `after ${after}`);
    else await work.catch(() => undefined);
    if (after < 3 && existsSync(state.config.paths.spool)) t.same(readdirSync(state.config.paths.spool), []);
  }
});

t.test('a killed import leaves what the next one removes', async (t) => {
  const state = prepare(t);
  const { mkdirSync } = await import('node:fs');
  const abandoned = join(state.config.paths.spool, '.import-4194305-abcdef', 'segment');
  mkdirSync(abandoned, { recursive: true });
  await state.read([state.save(captureFile(overUdp(), PLAIN))]);
  t.notOk(existsSync(abandoned));
  t.equal((await state.process()).length, 1);
});

t.test('a call whose end was not captured is partial, and one without media is only told', async (t) => {
  const { made, report } = await importOne(t, [
    ...overUdp({ isEnded: false }),
    ...overUdp({ callId: 'mute', at: T0 + 60e6, packets: 0 }),
  ]);
  t.match(report.recordings, [{ result: 'imported', end: undefined }, { result: 'no-media' }]);
  t.equal(made.length, 1);
  t.match(made[0]?.row, { state: 'partial', reason: /the capture ends before the call does/ });
});

t.test('encrypted media is not taken for audio', async (t) => {
  const { made } = await importOne(t, overUdp({ protocol: 'RTP/SAVP' }));
  t.match(made[0]?.row, { state: 'failed', reason: /no decoder for SRTP/ });
});

t.test('behind a NAT the media is found by the end that shows, and strangers stay out', async (t) => {
  const nat: CallOptions = {
    media: [host('10.0.0.5', 4000), host('192.0.2.2', 5000)],
    realMedia: [host('198.51.100.7', 61_000), host('192.0.2.2', 5000)],
  };
  const noise = speech(
    { ...nat, realMedia: [host('203.0.113.66', 666), host('192.0.2.2', 5000)] },
    T0 + 1_200_000,
  );
  const strangers = noise.filter((_, index) => index < 30);
  const { made, report } = await importOne(
    t,
    [...overUdp(nat), ...strangers].sort((a, b) => a.at - b.at),
  );
  t.match(report.recordings, [{ packets: { a: 50, b: 50 }, strangers: 30 }]);
  const [{ audio, metadata }] = made as [(typeof made)[number]];
  holds(t, audio, 0, said(0), 0);
  holds(t, audio, 1, said(1), 24);
  t.match(metadata?.remarks, [/30 packets came to its ports from elsewhere/]);
});

t.test(
  'both parties on one host with one port each, hold and a new port: nobody changes channels',
  async (t) => {
    const media: [ReturnType<typeof host>, ReturnType<typeof host>] = [
      host('127.0.0.1', 4000),
      host('127.0.0.1', 4002),
    ];
    const options: CallOptions = { media, hosts: ['127.0.0.1', '127.0.0.1'], packets: 50 };
    const packets = overUdp({ ...options, isEnded: false });
    const again = T0 + 3_000_000;
    const moved: [ReturnType<typeof host>, ReturnType<typeof host>] = [host('127.0.0.1', 4010), media[1]];
    const { sdpOf } = await import('./fixtures/calls.ts');
    const reinvite = sipMessage(options, {
      start: 'INVITE sip:7001@example.com SIP/2.0',
      method: 'INVITE',
      cseq: 2,
      toTag: 'b-call',
      body: sdpOf(moved[0]),
    });
    const sip = { at: again, ip: udpPacket(host('127.0.0.1', 5060), host('127.0.0.1', 5061), reinvite) };
    const later = speech({ ...options, media: moved, ssrc: 200 }, again + 20_000);
    const { made } = await importOne(t, [...packets, sip, ...later]);
    const [{ audio }] = made as [(typeof made)[number]];
    holds(t, audio, 0, said(0), 0);
    holds(t, audio, 1, said(1), 24);
    // 2 s between the answers' media and that after the re-INVITE.
    holds(t, audio, 0, said(0), 2 * SECOND);
    holds(t, audio, 1, said(1), 2 * SECOND + 24);
  },
);

t.test('legs of a B2BUA are one call by Session-ID, or by their media; by nothing less', async (t) => {
  const session = ['Session-ID: 0123456789abcdef0123456789abcdef;remote=00000000000000000000000000000000'];
  const [caller, callee] = [host('192.0.2.1', 4000), host('192.0.2.2', 5000)];
  const relay = [host('192.0.2.9', 6000), host('192.0.2.9', 6002)] as const;
  /** The second leg is set up within the first, and answered before it. */
  const legs = (
    invite: string[],
    outer: CallOptions['media'],
    inner: CallOptions['media'],
    isMute = false,
  ) => {
    const first = overUdp({ callId: 'outer', invite, isMute, ...(outer && { media: outer }) });
    const second = {
      callId: 'inner',
      at: T0 + 100_000,
      answerUs: 800_000,
      packets: 55,
      ...(inner && { media: inner }),
    };
    return [...first, ...overUdp({ ...second, invite, voices: [0, 1] })].sort((a, b) => a.at - b.at);
  };
  const byRelay = await importOne(t, legs(session, [caller, relay[0]], [relay[1], callee]));
  t.match(byRelay.report.recordings, [{ callIds: ['outer', 'inner'], packets: { a: 50, b: 55 } }]);
  t.equal(byRelay.made.length, 1);
  // The callee is heard on its own leg, 97 ms before the caller speaks on the other one.
  holds(t, byRelay.made[0]?.audio ?? '', 1, said(1), 0);
  holds(t, byRelay.made[0]?.audio ?? '', 0, said(0), 97 * 8);
  t.equal((await importOne(t, legs([], [caller, relay[0]], [relay[1], callee]))).made.length, 2);
  const byMedia = await importOne(t, legs([], [caller, callee], [caller, callee], true));
  t.match(byMedia.report.recordings, [{ callIds: ['outer', 'inner'], packets: { a: 55, b: 55 } }]);
  t.equal(byMedia.made.length, 1);
  holds(t, byMedia.made[0]?.audio ?? '', 0, said(0), 0);
});

t.test('calls that share a port one after the other keep apart', async (t) => {
  const first = overUdp({ callId: 'one', isEnded: false });
  const second = overUdp({ callId: 'two', at: T0 + 5_000_000, numbers: ['7004', '7003'], voices: [2, 3] });
  const { made } = await importOne(t, [...first, ...second]);
  t.equal(made.length, 2);
  holds(t, made[0]?.audio ?? '', 0, said(0), 0);
  holds(t, made[1]?.audio ?? '', 0, said(2), 0);
  holds(t, made[1]?.audio ?? '', 1, said(3), 24);
});

t.test('a capture that breaks off, and files that are none', async (t) => {
  const state = prepare(t);
  const whole = captureFile(overUdp(), PLAIN);
  const { files, recordings } = await state.read([state.save(whole.subarray(0, whole.length - 700))]);
  t.match(files, [{ problems: [/its last frame is cut off/] }]);
  t.match(recordings, [{ result: 'imported', end: undefined }]);
  const lying = Buffer.from(whole);
  lying.writeUInt32LE(0x7fffffff, 24 + 16 + whole.readUInt32LE(24 + 8) + 8);
  t.match((await state.read([state.save(lying)])).files, [
    { problems: [/it breaks off after 1 frames: a frame of 2147483647 bytes/] },
  ]);
  await t.rejects(state.read([state.save(Buffer.from('PK no capture, a long enough text'))]), {
    code: 'CAPTURE_UNREADABLE',
  });
  await t.rejects(state.read([state.save(Buffer.alloc(0))]), {
    code: 'CAPTURE_UNREADABLE',
    message: /0 bytes/,
  });
  await t.rejects(state.read(['/nowhere/at-all.pcap']), { code: 'CAPTURE_UNREADABLE' });
  await t.rejects(state.read([tmpdir()]), { code: 'CAPTURE_UNREADABLE' });
  const gzip = Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(40)]);
  await t.rejects(state.read([state.save(gzip)]), { message: /gunzip/ });
});
