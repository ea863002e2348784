// Finishing: closed segments become a directory in the archive; or the reason why they cannot.
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { digestFile } from '../archive/digest.ts';
import { recordingIdOf } from '../archive/ids.ts';
import type { CaptureDigest } from '../archive/manifest.ts';
import type { Metadata } from '../archive/metadata.ts';
import { readMetadata, verifyFiles } from '../archive/read.ts';
import { sealAudio, withSealedMedia } from '../archive/sealed-audio.ts';
import { findFinished, type Staging, sizeOf, stageRecording } from '../archive/write.ts';
import { NO_DECODER } from '../catalog/rows.ts';
import { isPartial, PARTIAL } from '../indexing/row-of-metadata.ts';
import type { SegmentFacts } from '../spool/segment.ts';
import type { AudioSetting } from './audio-file.ts';
import { type Binding, bindParties, rankAt } from './channels.ts';
import { channelRemarks, describeRecording } from './describe.ts';
import { mixInFormat } from './mix-in-format.ts';
import type { Mixdown, MixdownSegment } from './mixdown.ts';
import { maskOf, type Pause, pausesOf, silencesOf } from './pauses.ts';
import { eventOf, type PendingCall } from './situation.ts';
import type { SegmentEntry } from './spool-scan.ts';
import { UNNAMED } from './stream-map.ts';

/** A segment whose facts are known. */
export type FinishableSegment = SegmentEntry & { facts: SegmentFacts };

export interface FinishTask {
  archive: string;
  /** The file of the key that signs its manifest. */
  signingKey: string;
  recording: string;
  /** All calls of its conversation, in the order in which they began. */
  calls: readonly PendingCall[];
  segments: readonly FinishableSegment[];
  /** See `Decision`. */
  madeOf: string;
  /** Why it is not the whole call, as far as is known before. */
  partial: readonly string[];
  remarks: readonly string[];
  /** The names of the switches, by source. */
  switches?: readonly string[];
  /** In which format it is archived, and what decodes other codecs than G.711. */
  audio?: AudioSetting;
  /** To which its audio is encrypted: files, in PEM; it is not when there are none. */
  certificates?: readonly string[];
  /** It is made also when it was made of the same before: something else may become of it now. */
  isAgain?: boolean;
}

export type Finished =
  /** `setAside`: segments of which not all became audio, so that they must be kept. */
  | { result: 'archived'; path: string; metadata: Metadata; setAside: string[] }
  | { result: 'failed'; reason: string }
  /** Nobody answered and nobody spoke: there was nothing to record. */
  | { result: 'empty' };

/**
 * Makes a recording; made already by a process that ended before it could tell, it is taken over. One that was made of less
 * is made again, as its next revision.
 * Throws Node's system errors when the archive or the spool refuse: try again later.
 */
export async function finishRecording(task: FinishTask): Promise<Finished> {
  const segments = task.segments.toSorted(byTime);
  const found = findFinished(task.archive, task.recording, daysOf(segments));
  if (found !== undefined && verifyFiles(join(task.archive, found)).ok) {
    const metadata = readMetadata(join(task.archive, found));
    const setAside = isPartial(metadata) ? segments.map(({ id }) => id) : [];
    if (!isOfMore(task, metadata) && task.isAgain !== true)
      return { result: 'archived', path: found, metadata, setAside };
  }
  const startsAt = (segments[0]?.facts.opened.at ?? 0) / 1000;
  const staging = await stageRecording(
    { directory: task.archive, signingKey: task.signingKey },
    task.recording,
    startsAt,
  );
  try {
    return await make({ ...task, segments }, staging);
  } catch (thrown) {
    await staging.discard().catch(() => undefined);
    throw thrown;
  }
}

function byTime(one: FinishableSegment, other: FinishableSegment): number {
  return one.facts.opened.at - other.facts.opened.at || (one.id < other.id ? -1 : 1);
}

/** Whether the task has all that the recording in the archive was made of, and something else besides. */
function isOfMore({ madeOf, segments }: FinishTask, { madeOf: before, segments: used }: Metadata): boolean {
  if (before === madeOf) return false;
  const present = new Set(segments.map(({ facts }) => facts.opened.segment));
  return used.every(({ id }) => present.has(id));
}

/** The whole recording of a call in the archive, if there is one. */
export function findArchived(
  archive: string,
  recording: string,
  call: PendingCall,
): { path: string; metadata: Metadata } | undefined {
  const times = call.events.map(({ at }) => at / 1000);
  const path = findFinished(
    archive,
    recording,
    times.length === 0 ? [] : [Math.min(...times) - 60_000, ...times],
  );
  if (path === undefined || !verifyFiles(join(archive, path)).ok) return undefined;
  return { path, metadata: readMetadata(join(archive, path)) };
}

/** The days on which it may start, in milliseconds since 1970. */
function daysOf(segments: readonly FinishableSegment[]): number[] {
  return segments.flatMap(({ facts: { opened, closed } }) => {
    const first = opened.at / 1000;
    return [first - 60_000, first, (closed?.at ?? opened.at) / 1000];
  });
}

async function make(task: FinishTask, staging: Staging): Promise<Finished> {
  const { segments, recording, calls, madeOf } = task;
  const binding = bindParties(segments, calls);
  const { sides, lanes } = binding;
  const plan = { sides, lanes: lanes.map((lane) => ({ ...lane, rankAt: (at: number) => rankAt(lane, at) })) };
  const pauses = pausesOf(calls);
  const silences = silencesOf(
    pauses,
    segments.map(({ facts }) => facts),
  );
  const parts = segments.map((segment, index) => {
    return { ...partOf(segment, binding.laneOf[index], pauses), silences };
  });
  const made = await mixInFormat(parts, staging.directory, task.audio ?? {}, plan);
  const { mixdown } = made;
  if (mixdown.startAt === undefined) {
    await staging.discard();
    return withoutAudio(calls, mixdown);
  }
  const remarks = [
    ...partialReasons(task, mixdown).map((reason) => `${PARTIAL}${reason}`),
    ...task.remarks,
    ...(segments[0]?.facts.opened.imported?.remarks ?? []),
    ...channelRemarks(mixdown, binding),
    ...made.remarks,
  ];
  const size = await sizeOf(made.file);
  const facts = segments.map((segment) => segment.facts);
  const metadata = describeRecording({
    ...{ id: recording, calls, segments: facts, mixdown, size, remarks, madeOf, binding },
    format: made.format,
    switches: segments.map(({ source }) => task.switches?.[source]),
  });
  const sealed = await seal(metadata, made.file, task.certificates);
  const path = await staging.publish(sealed, await digestCaptures(segments));
  return { result: 'archived', path, metadata: sealed, setAside: toSetAside(segments, mixdown) };
}

async function seal(
  metadata: Metadata,
  file: string,
  certificates: readonly string[] = [],
): Promise<Metadata> {
  return certificates.length === 0
    ? metadata
    : withSealedMedia(metadata, await sealAudio(file, certificates));
}

function partOf(
  { facts, captureFile }: FinishableSegment,
  laneOf: Binding['laneOf'][number] = { a: [], b: [] },
  pauses: readonly Pause[],
): MixdownSegment {
  const { recording } = facts.opened.metadata ?? {};
  const masked = maskOf(recording && recordingIdOf(recording), pauses);
  const [[a, ...laterA], [b, ...laterB]] = [laneOf.a, laneOf.b];
  const lanes = { a: a?.lane ?? 0, b: b?.lane ?? 1 };
  return { facts, captureFile, lanes, later: { a: laterA, b: laterB }, masked };
}

/** Of those that are there; for the others the recording has a remark. */
async function digestCaptures(segments: readonly FinishableSegment[]): Promise<CaptureDigest[]> {
  const digests: CaptureDigest[] = [];
  for (const { facts, captureFile } of segments) {
    if (lstatSync(captureFile, { throwIfNoEntry: false })?.isFile() !== true) continue;
    const { size, sha256 } = await digestFile(captureFile);
    digests.push({ segment: facts.opened.segment, size, sha256 });
  }
  return digests;
}

function withoutAudio(calls: readonly PendingCall[], mixdown: Mixdown): Finished {
  const { channels, unreadable, problems } = mixdown;
  const packets = channels.reduce((sum, channel) => sum + channel.packets, 0);
  const isUnanswered =
    calls.length > 0 && calls.every((call) => eventOf(call, 'call.released')?.answered === false);
  if (isUnanswered && packets === 0 && unreadable.size === 0 && problems.length === 0)
    return { result: 'empty' };
  const reasons = [...unreadable.values(), ...problems];
  const missing = missingDecoders(mixdown);
  if (missing !== undefined) reasons.push(missing);
  if (reasons.length === 0)
    reasons.push(packets === 0 ? 'no media was captured' : 'the captured media holds no audio');
  return { result: 'failed', reason: reasons.join('; ') };
}

/** Which encodings could not be decoded, and why, as far as there is more to tell. */
function missingDecoders({ channels, decoding }: Mixdown): string | undefined {
  const encodings = new Set(channels.flatMap(({ undecodable }) => [...undecodable.keys()]));
  if (encodings.size === 0) return undefined;
  const causes = new Set([...encodings].flatMap((encoding) => decoding.get(encoding) ?? []));
  const cause = causes.size === 0 ? '' : `: ${[...causes].join('; ')}`;
  return `${NO_DECODER}${[...encodings].join(', ')}${cause}`;
}

function partialReasons({ partial, segments }: FinishTask, mixdown: Mixdown): string[] {
  return [
    ...partial,
    ...mixdown.unreadable.values(),
    ...mixdown.problems,
    ...undecodableReasons(mixdown),
    ...segments.flatMap(({ facts }) => closingProblems(facts)),
  ];
}

const INTERRUPTIONS: Record<string, string | undefined> = {
  recovered: 'its media server ended without warning, what followed is missing',
  shutdown: 'its media server was shut down during the call',
  'write-failed': 'its media server could not write on',
  'capture-ended': 'the capture ends before the call does',
};

function closingProblems({ opened, closed }: SegmentFacts): string[] {
  if (closed === undefined) return [];
  const interruption = INTERRUPTIONS[closed.reason];
  return [
    ...(interruption === undefined ? [] : [`segment ${opened.segment}: ${interruption}`]),
    ...(closed.lost > 0 ? [`segment ${opened.segment}: ${closed.lost} packets could not be written`] : []),
  ];
}

/** Packets of a payload type that SDP never named: a digit or two, or noise; more of them may be a voice. */
const STRAY_PACKETS = 50;

/** Why what a party said is not, or not all, in the audio. */
function undecodableReasons(mixdown: Mixdown): string[] {
  const { channels, decoding } = mixdown;
  const cause = decoding.size === 0 ? '' : `: ${missingDecoders(mixdown)}`;
  if (channels.some(({ decoded, undecodable }) => decoded.size === 0 && undecodable.size > 0))
    return [`one channel cannot be decoded${cause}`];
  return channels.some(hasUndecodedSpeech) ? [`part of one channel cannot be decoded${cause}`] : [];
}

function hasUndecodedSpeech({ undecodable }: Mixdown['channels'][number]): boolean {
  return [...undecodable].some(
    ([encoding, packets]) => packets >= STRAY_PACKETS || !encoding.startsWith(UNNAMED),
  );
}

function toSetAside(segments: readonly FinishableSegment[], mixdown: Mixdown): string[] {
  if (undecodableReasons(mixdown).length > 0) return segments.map(({ id }) => id);
  return segments.flatMap(({ id, facts }) => (mixdown.unreadable.has(facts.opened.segment) ? [id] : []));
}
