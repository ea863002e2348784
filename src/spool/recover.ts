// What the media server does after its start with segments that were never closed: the whole records stay, the rest goes.
import { lstatSync, readdirSync, writeFileSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import { openCapture } from './capture-file.ts';
import { FILE_HEADER_BYTES, fileHeader } from './pcap.ts';
import type { SpoolKeys } from './sealed-capture.ts';
import {
  ASIDE_FOLDERS,
  CAPTURE_FILE,
  FACTS_FILE,
  LARGEST_FACTS_BYTES,
  parseFacts,
  type SegmentFacts,
} from './segment.ts';
import { appendFact } from './segment-writer.ts';

/** Packets that are read without a break: some 2 ms. */
const SLICE_PACKETS = 1000;

/** A segment that was repaired and closed. */
export interface RecoveredSegment {
  segment: string;
  recording: string | undefined;
  call: string | undefined;
  /** Whole packets in its capture. */
  packets: number;
  /** Bytes of an unfinished record or fact that were cut off. */
  cutBytes: number;
  /** Why no packet of its capture can be read; the capture is left as it is. */
  problem?: string;
}

export interface Recovery {
  recovered: RecoveredSegment[];
  /** Folders of segments that were about to be opened, with nothing in them: taken away. */
  unbegun: string[];
  /** Without a readable first line: left where they are, for the processor to raise the alarm and set them aside. */
  broken: { segment: string; reason: string }[];
  /** Left as they are, to be tried again (a disk that is full, say). */
  failed: { segment: string; reason: string }[];
}

/**
 * Closes every open segment of a spool whose media server has ended.
 * @param segments those that its successor found before it recorded any; by default all
 * @param keys with which captures are encrypted
 * @throws never for a single segment; a system error when the spool itself cannot be read
 */
export async function recoverSpool(
  spool: string,
  segments = segmentsOf(spool),
  keys?: SpoolKeys,
): Promise<Recovery> {
  const recovery: Recovery = { recovered: [], unbegun: [], broken: [], failed: [] };
  for (const segment of segments) {
    try {
      await recoverSegment(join(spool, segment), segment, recovery, keys);
    } catch (thrown) {
      recovery.failed.push({ segment, reason: messageOf(thrown) });
    }
  }
  return recovery;
}

/** The segments of a spool, oldest first; those set aside are not among them. */
export function segmentsOf(spool: string): string[] {
  try {
    const entries = readdirSync(spool, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .flatMap(({ name }) => (ASIDE_FOLDERS.includes(name) ? [] : [name]))
      .sort();
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

async function recoverSegment(
  directory: string,
  segment: string,
  recovery: Recovery,
  keys: SpoolKeys | undefined,
): Promise<void> {
  const read = readFacts(directory);
  if ('problem' in read && read.isUnbegun && isWithoutPackets(directory)) {
    await rm(directory, { recursive: true });
    recovery.unbegun.push(segment);
    return;
  }
  if ('problem' in read) {
    recovery.broken.push({ segment, reason: read.problem });
    return;
  }
  const { facts, wholeBytes, cutBytes } = read;
  if (facts.closed !== undefined) return;
  const capture = await cutCapture(join(directory, CAPTURE_FILE), keys);
  const file = await open(join(directory, FACTS_FILE), 'r+');
  try {
    if (cutBytes > 0) await file.truncate(wholeBytes);
  } finally {
    await file.close();
  }
  await appendClosed(directory, Math.max(capture.lastAt, facts.opened.at));
  const { recording, call } = facts.opened.metadata ?? {};
  recovery.recovered.push({
    segment,
    recording,
    call,
    packets: capture.packets,
    cutBytes: cutBytes + capture.cutBytes,
    ...(capture.problem === undefined ? {} : { problem: capture.problem }),
  });
}

type FactsRead =
  | { facts: SegmentFacts; wholeBytes: number; cutBytes: number }
  | { problem: string; isUnbegun: boolean };

function readFacts(directory: string): FactsRead {
  let bytes: Buffer | undefined;
  try {
    bytes = readRegularFile(join(directory, FACTS_FILE), LARGEST_FACTS_BYTES);
  } catch (thrown) {
    if (systemCode(thrown) !== undefined) throw thrown;
    return { problem: `${FACTS_FILE}: ${messageOf(thrown)}`, isUnbegun: false };
  }
  if (bytes === undefined) return { problem: `no ${FACTS_FILE}`, isUnbegun: true };
  const wholeBytes = bytes.lastIndexOf('\n') + 1;
  const parsed = parseFacts(bytes.toString('utf8', 0, wholeBytes));
  if ('problem' in parsed) return { ...parsed, isUnbegun: wholeBytes === 0 };
  return { facts: parsed.facts, wholeBytes, cutBytes: bytes.length - wholeBytes };
}

/** Nothing is captured before the first fact is durable. */
function isWithoutPackets(directory: string): boolean {
  if (readdirSync(directory).some((name) => name !== CAPTURE_FILE && name !== FACTS_FILE)) return false;
  const capture = lstatSync(join(directory, CAPTURE_FILE), { throwIfNoEntry: false });
  return capture?.isFile() !== false && (capture?.size ?? 0) <= FILE_HEADER_BYTES;
}

interface CutCapture {
  packets: number;
  lastAt: number;
  cutBytes: number;
  problem?: string;
}

/** Cuts a capture back to its last whole record; one that never got its header becomes an empty one. */
async function cutCapture(path: string, keys: SpoolKeys | undefined): Promise<CutCapture> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  const size = found?.size ?? 0;
  if (found?.isFile() === false) {
    return { packets: 0, lastAt: 0, cutBytes: 0, problem: `${CAPTURE_FILE} is not a regular file` };
  }
  if (size < FILE_HEADER_BYTES) {
    writeFileSync(path, fileHeader(), { mode: 0o640, flush: true });
    return { packets: 0, lastAt: 0, cutBytes: size };
  }
  try {
    return await cutRecords(path, size, keys);
  } catch (thrown) {
    if (!(thrown instanceof GrecError)) throw thrown;
    return { packets: 0, lastAt: 0, cutBytes: 0, problem: thrown.message };
  }
}

async function cutRecords(path: string, size: number, keys: SpoolKeys | undefined): Promise<CutCapture> {
  const capture = openCapture(path, keys);
  let packets = 0;
  let lastAt = 0;
  for (const { at } of capture) {
    packets += 1;
    lastAt = Math.max(lastAt, at);
    // Calls go on meanwhile.
    if (packets % SLICE_PACKETS === 0) await setImmediate();
  }
  const cutBytes = capture.truncatedBytes;
  if (cutBytes > 0) {
    const file = await open(path, 'r+');
    try {
      await file.truncate(size - cutBytes);
      await file.datasync();
    } finally {
      await file.close();
    }
  }
  return { packets, lastAt, cutBytes };
}

async function appendClosed(directory: string, at: number): Promise<void> {
  const file = await open(join(directory, FACTS_FILE), 'a');
  try {
    await appendFact(file, { type: 'closed', at, reason: 'recovered', lost: 0 });
  } finally {
    await file.close();
  }
}
