// An import: captures of SIP and RTP in, closed segments in the spool out. Two readings of the files, in bounded memory.
//
// The first reading takes the calls out of the SIP messages; only when all of them are known is it known whose a packet is,
// and which dialogs are one call. The second one writes their media. Nothing is in the spool before all of it is ready.

import { type Packet, type PacketCounters, PacketReader } from '../capture/packets.ts';
import { machineName } from '../config.ts';
import { classifyPacket } from '../rtp/header.ts';
import type { ImportedCall } from '../spool/segment.ts';
import { CallBook } from './call-book.ts';
import type { CapturedCall, Side } from './call-facts.ts';
import { type FileReport, readFrames } from './capture-files.ts';
import { MediaFlows, type Track } from './media-flows.ts';
import { type KnownNumber, type PlannedRecording, type PlannedSegment, planRecordings } from './plan.ts';
import { type FoundMedia, PORTS, segmentFacts } from './segment-facts.ts';
import { SipReader } from './sip-reader.ts';
import type { StagedSegment } from './staged-segment.ts';
import { isInSpool, Staging } from './staging.ts';

export interface ImportOptions {
  files: readonly string[];
  spool: string;
  /** Who imports, for the metadata. */
  by: string;
  /** DNs of this site, and other numbers that are agents. */
  known: ReadonlyMap<string, KnownNumber>;
  /** What is known of a recording already; undefined when nothing is. */
  stateOf(recording: string): string | undefined;
  isDryRun: boolean;
  /** Bytes read since the last call; all files are read twice. */
  onBytes(count: number): void;
  signal: AbortSignal;
}

/** `known`: it was imported before. `no-media`: the capture has none of its packets. */
export type ImportResult = 'imported' | 'found' | 'known' | 'no-media';

export interface ImportedRecording {
  recording: string;
  result: ImportResult;
  callIds: string[];
  from: string;
  to: string;
  /** Microseconds since 1970. */
  start: number;
  /** Undefined when the capture ends before the call does. */
  end: number | undefined;
  segments: number;
  packets: Record<Side, number>;
  /** Encodings that were agreed on for speech, the first one preferred. */
  codecs: string[];
  /** Packets that came to a party's port from elsewhere, and are in no recording. */
  strangers: number;
}

export interface ImportReport {
  files: FileReport[];
  recordings: ImportedRecording[];
  /** Calls that nobody answered. */
  unanswered: number;
  sipMessages: number;
  malformed: number;
  packets: PacketCounters;
}

/**
 * Imports captures. What was imported before is found again, and left alone.
 * @throws GrecError CAPTURE_UNREADABLE, SPOOL_WRITE; the signal's reason when it is aborted: then nothing has been changed
 */
export async function importCaptures(options: ImportOptions): Promise<ImportReport> {
  const book = new CallBook();
  const sip = new SipReader();
  const { files, counters } = await readAll(options, (packet) => {
    for (const message of sip.read(packet)) book.take(message, packet.at);
  });
  const planned = planRecordings(book.calls, options.known);
  const recordings = planned.length === 0 ? [] : await takeMedia(options, planned);
  return {
    files,
    recordings,
    unanswered: book.unanswered,
    sipMessages: sip.messages,
    malformed: sip.malformed,
    packets: counters,
  };
}

async function readAll(options: ImportOptions, take: (packet: Packet) => void) {
  const files: FileReport[] = [];
  const reader = new PacketReader();
  for await (const run of readFrames(options, files)) {
    for (const frame of run) {
      const packet = reader.read(frame);
      if (packet !== undefined) take(packet);
    }
  }
  return { files, counters: reader.counters };
}

/** One segment whose media is looked for. */
interface Work {
  planned: PlannedRecording;
  segment: PlannedSegment;
  /** What is seen of each side, on the caller's leg and on the callee's. */
  tracks: Record<'a' | 'b', Record<Side, Track<Target>>>;
  /** It was imported before. */
  isThere: boolean;
  staged: StagedSegment | undefined;
  lastAt: number;
}

interface Target {
  work: () => Work;
  port: number;
}

async function takeMedia(
  options: ImportOptions,
  planned: readonly PlannedRecording[],
): Promise<ImportedRecording[]> {
  const staging = options.isDryRun ? undefined : new Staging(options.spool);
  try {
    const flows = new MediaFlows<Target>();
    const works = planned.map((one) => ({ planned: one, works: prepare(one, options, flows, staging) }));
    await readAll(options, (packet) => take(packet, flows, staging));
    options.signal.throwIfAborted();
    for (const recording of works) finishAll(recording.works, options, staging);
    // From here on it takes no time that anybody could interrupt.
    return works.map((recording) => publish(recording, options, staging));
  } finally {
    staging?.close();
  }
}

function prepare(
  planned: PlannedRecording,
  options: ImportOptions,
  flows: MediaFlows<Target>,
  staging: Staging | undefined,
): Work[] {
  const isKnown = options.stateOf(planned.recording) !== undefined;
  return planned.segments.map((segment) => {
    const isThere = isKnown || isInSpool(options.spool, segment.id);
    const staged = isThere ? undefined : staging?.segment(segment.id);
    const a = addLeg(flows, planned, segment, 'a', () => work);
    const b = segment.legs.a === segment.legs.b ? a : addLeg(flows, planned, segment, 'b', () => work);
    const work: Work = { planned, segment, tracks: { a, b }, isThere, staged, lastAt: segment.start };
    return work;
  });
}

function addLeg(
  flows: MediaFlows<Target>,
  planned: PlannedRecording,
  segment: PlannedSegment,
  leg: 'a' | 'b',
  work: () => Work,
): Record<Side, Track<Target>> {
  const call = segment.legs[leg];
  const { a, b } = PORTS[leg];
  return flows.add({
    call,
    recording: planned.recording,
    from: segment.start,
    to: segment.end,
    targets: { a: { work, port: a }, b: { work, port: b } },
  });
}

function take(packet: Packet, flows: MediaFlows<Target>, staging: Staging | undefined): void {
  const { at, source, destination, payload, sequence } = packet;
  if (sequence !== undefined) return;
  const kind = classifyPacket(payload);
  if (kind !== 'rtp' && kind !== 'rtcp') return;
  for (const track of flows.find(source, destination, at)) {
    const { work: workOf, port } = track.target;
    const work = workOf();
    track.packets += 1;
    work.lastAt = Math.max(work.lastAt, at);
    const { staged } = work;
    if (staged === undefined) continue;
    const own = kind === 'rtp' ? port : port + 1;
    staging?.writing(() => staged.write(at, source, destination, own, payload));
  }
}

/** What was found, on the leg where there is more of it: the caller's own for the caller, the callee's for the callee. */
function foundIn({ tracks, lastAt }: Work): FoundMedia {
  if (tracks.a === tracks.b) {
    const { a, b } = tracks.a;
    return { seenOn: { a: 'a', b: 'a' }, packets: { a: a.packets, b: b.packets }, lastAt };
  }
  const seenOn = {
    a: tracks.b.a.packets > tracks.a.a.packets * 2 ? 'b' : 'a',
    b: tracks.a.b.packets > tracks.b.b.packets * 2 ? 'a' : 'b',
  } as const;
  const packets = { a: tracks[seenOn.a].a.packets, b: tracks[seenOn.b].b.packets };
  return { seenOn, packets, lastAt };
}

function hasMedia(work: Work): boolean {
  const { packets } = foundIn(work);
  return packets.a + packets.b > 0;
}

function finishAll(works: readonly Work[], options: ImportOptions, staging: Staging | undefined): void {
  const used = works.filter(hasMedia);
  for (const work of used) {
    const { planned, segment, staged } = work;
    if (staged === undefined) continue;
    const imported = importedCall(planned, used, options);
    const facts = segmentFacts({ planned, segment, found: foundIn(work), imported, host: machineName() });
    staging?.writing(() => staged.finish(facts));
  }
}

function importedCall(
  planned: PlannedRecording,
  used: readonly Work[],
  options: ImportOptions,
): ImportedCall {
  const { calls } = planned;
  const first = calls[0];
  const ends = calls.map(({ releasedAt }) => releasedAt ?? Number.POSITIVE_INFINITY);
  const released = Math.max(...ends);
  const strangers = used.reduce((sum, work) => sum + strangersOf(work), 0);
  const createdAt = first?.createdAt ?? 0;
  return {
    at: Date.now() * 1000,
    by: options.by,
    files: options.files.map((file) => file.split('/').at(-1) ?? file),
    callIds: calls.map(({ callId }) => callId),
    segments: used.map(({ segment }) => segment.id),
    direction: directionOf(planned, options),
    createdAt,
    ...(first?.ringingAt === undefined ? {} : { ringingAt: first.ringingAt }),
    answeredAt: Math.min(...calls.map(({ answeredAt }) => answeredAt)),
    ...(Number.isFinite(released) ? { releasedAt: released, releasedBy: releasedBy(calls, released) } : {}),
    remarks:
      strangers === 0 ? [] : [`${strangers} packets came to its ports from elsewhere and were left out`],
  };
}

function releasedBy(calls: readonly CapturedCall[], at: number): Side {
  return calls.find(({ releasedAt }) => releasedAt === at)?.releasedBy ?? 'a';
}

/** Of a call without a number that is known nobody can say it. */
function directionOf({ segments }: PlannedRecording, { known }: ImportOptions): ImportedCall['direction'] {
  const { a, b } = Object.fromEntries(
    (segments[0]?.parties ?? []).map(({ label, number }) => [label, known.has(number)]),
  );
  if (a === true && b === true) return 'internal';
  if (a === true) return 'outbound';
  return b === true ? 'inbound' : undefined;
}

function strangersOf({ tracks }: Work): number {
  const all = new Set([tracks.a.a, tracks.a.b, tracks.b.a, tracks.b.b]);
  return [...all].reduce((sum, { strangers }) => sum + strangers, 0);
}

function publish(
  { planned, works }: { planned: PlannedRecording; works: readonly Work[] },
  { isDryRun }: ImportOptions,
  staging: Staging | undefined,
): ImportedRecording {
  const used = works.filter(hasMedia);
  const moved = used.filter(({ staged }) => staged !== undefined && staging?.publish(staged) === true);
  return describe(planned, used, resultOf());

  function resultOf(): ImportResult {
    if (used.length === 0) return 'no-media';
    if (isDryRun) return used.every(({ isThere }) => isThere) ? 'known' : 'found';
    return moved.length > 0 ? 'imported' : 'known';
  }
}

function describe(planned: PlannedRecording, used: readonly Work[], result: ImportResult): ImportedRecording {
  const { recording, calls, segments } = planned;
  const [first] = segments;
  const numberOf = (side: Side) => first?.parties.find(({ label }) => label === side)?.number ?? '';
  const found = used.map(foundIn);
  const sum = (side: Side) => found.reduce((total, { packets }) => total + packets[side], 0);
  const end = Math.max(...segments.map((segment) => segment.end));
  const formats = calls.flatMap(({ described }) => described.flatMap((one) => one.formats));
  const speech = formats
    .map(({ encoding }) => encoding)
    .filter((name) => !/^(TELEPHONE-EVENT|CN|RED)$/.test(name));
  return {
    recording,
    result,
    callIds: calls.map(({ callId }) => callId),
    from: numberOf('a'),
    to: numberOf('b'),
    start: first?.start ?? 0,
    end: Number.isFinite(end) ? end : undefined,
    segments: used.length,
    packets: { a: sum('a'), b: sum('b') },
    codecs: [...new Set(speech)],
    strangers: used.reduce((total, work) => total + strangersOf(work), 0),
  };
}
