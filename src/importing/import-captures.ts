// An import: captures of SIP and RTP in, closed segments in the spool out. Two readings of the files, in bounded memory.
//
// The first reading takes the calls out of the SIP messages; only when all of them are known is it known whose a packet is,
// and which dialogs are one call. The second one writes their media. Nothing is in the spool before all of it is ready.

import { setImmediate } from 'node:timers/promises';
import { type Packet, PacketReader } from '../capture/packets.ts';
import { machineName } from '../config.ts';
import type { ImportedCall } from '../spool/segment.ts';
import { CallBook } from './call-book.ts';
import type { CapturedCall, Side } from './call-facts.ts';
import { type FileReport, readFrames } from './capture-files.ts';
import {
  describeImport,
  type ImportedRecording,
  type ImportOptions,
  type ImportReport,
  type ImportResult,
} from './import-report.ts';
import { MediaFlows } from './media-flows.ts';
import { foundIn, hasMedia, prepare, strangersOf, type Target, takePacket, type Work } from './media-work.ts';
import { type PlannedRecording, planRecordings } from './plan.ts';
import { segmentFacts } from './segment-facts.ts';
import { SipReader } from './sip-reader.ts';
import { isInSpool, Staging } from './staging.ts';

export type { ImportedRecording, ImportOptions, ImportReport } from './import-report.ts';

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

async function takeMedia(
  options: ImportOptions,
  planned: readonly PlannedRecording[],
): Promise<ImportedRecording[]> {
  const staging = options.isDryRun ? undefined : new Staging(options.spool);
  const isThere = (recording: string) => {
    const isKnown = options.stateOf(recording) !== undefined;
    return (segment: string) => isKnown || isInSpool(options.spool, segment);
  };
  try {
    const flows = new MediaFlows<Target>();
    const works = planned.map((one) => ({
      planned: one,
      works: prepare(one, flows, staging, isThere(one.recording), options.isDtmfDropped),
    }));
    await readAll(options, (packet) => takePacket(packet, flows, staging));
    for (const recording of works) {
      await setImmediate();
      options.signal.throwIfAborted();
      finishAll(recording.works, options, staging);
    }
    // From here on it takes no time that anybody could interrupt: names are changed, and nothing is written.
    return works.map((recording) => publish(recording, options, staging));
  } finally {
    staging?.close();
  }
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

function publish(
  { planned, works }: { planned: PlannedRecording; works: readonly Work[] },
  { isDryRun }: ImportOptions,
  staging: Staging | undefined,
): ImportedRecording {
  const used = works.filter(hasMedia);
  const moved = used.filter(({ staged }) => staged !== undefined && staging?.publish(staged) === true);
  return describeImport(planned, used, resultOf());

  function resultOf(): ImportResult {
    if (used.length === 0) return 'no-media';
    if (isDryRun) return used.every(({ isThere }) => isThere) ? 'known' : 'found';
    return moved.length > 0 ? 'imported' : 'known';
  }
}
