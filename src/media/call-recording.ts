// The recording of one call: a tap into a segment of the spool, its facts, and an end that waits for no disk.
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { microsNow } from '../spool/clock.ts';
import type { Journal } from '../spool/journal.ts';
import { recoverSpool } from '../spool/recover.ts';
import type { SpoolKeys } from '../spool/sealed-capture.ts';
import {
  type Party,
  type RecordingMetadata,
  recordingMetadataSchema,
  type SegmentClosed,
  type SegmentMedia,
  type SegmentPause,
  type Stream,
} from '../spool/segment.ts';
import { openSegment, type SegmentWriter } from '../spool/segment-writer.ts';
import type { Leg, Shard, Tap } from './io/engine.ts';
import type { SpoolHealth } from './spool-health.ts';

const RETRY_MS = 2000;
/** How long a full disk is waited for after the end of a recording. */
const MOST_RETRIES = 150;

export type Label = Stream['label'];
export type EndReason = SegmentClosed['reason'];

export interface RecordingContext {
  /** The folder of all segments. */
  spool: string;
  /** With which captures are encrypted in it. */
  spoolKeys?: SpoolKeys | undefined;
  /** The name of this machine, as segments carry it. */
  host: string;
  journal: Journal;
  /** Recordings that have ended and are still being written. */
  finishing: Set<Promise<void>>;
  /** Told what the disk refuses. */
  health: Pick<SpoolHealth, 'refused' | 'lostPackets' | 'lostRecordings'>;
  /** Aborted when the daemon stops: a full disk is waited for no longer. */
  stopping: AbortSignal;
}

/** @returns the metadata that the controller gave; undefined when it gave none of ours (a foreign switch) */
export function readMetadata(text: string | undefined): RecordingMetadata | undefined {
  if (text === undefined) return undefined;
  try {
    const result = v.safeParse(recordingMetadataSchema, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

export interface RecordingStart {
  ngCallId: string;
  /** Where the legs are. */
  shard: Shard;
  metadata: RecordingMetadata | undefined;
  /** Who they are, when there is no metadata. */
  parties?: Party[] | undefined;
  streams: Stream[];
  legs: { label: Label; leg: Leg }[];
  log: Logger;
}

export class CallRecording {
  readonly metadata: RecordingMetadata | undefined;
  isPaused = false;
  readonly #context: RecordingContext;
  readonly #log: Logger;
  readonly #tap: Tap;
  readonly #legs: { label: Label; leg: Leg }[];
  readonly #start: RecordingStart;
  readonly #startedAt = microsNow();
  /** Whether there is a segment at last. */
  readonly #opening: Promise<boolean>;
  #attempt: Promise<void> | undefined;
  #segment: SegmentWriter | undefined;
  #streams: Stream[];
  #notes: (SegmentMedia | SegmentPause)[] = [];
  #noting: Promise<void> = Promise.resolve();
  #hasTrouble = false;
  #isEnded = false;

  /** Copies from this instant on; the segment follows as fast as the disk allows. */
  constructor(context: RecordingContext, start: RecordingStart) {
    this.#context = context;
    this.#log = start.log;
    this.#start = start;
    this.metadata = start.metadata;
    this.#streams = start.streams;
    this.#legs = start.legs;
    this.#tap = start.shard.openTap((reason) => this.#onTrouble(reason));
    this.#copy();
    this.#opening = this.#openAtLast();
  }

  /**
   * Resolves once the segment is on the disk. While a full disk refuses it, the copies wait in memory and it is tried
   * again and again; who asks learns how the attempt under way ended.
   * @throws GrecError SPOOL_WRITE
   */
  opened(): Promise<void> {
    if (this.#segment !== undefined) return Promise.resolve();
    this.#attempt ??= this.#open(this.#start).finally(() => {
      this.#attempt = undefined;
    });
    return this.#attempt;
  }

  async #openAtLast(): Promise<boolean> {
    const isOpen = await this.opened().then(
      () => true,
      (thrown: unknown) => {
        this.#onTrouble(messageOf(thrown));
        return false;
      },
    );
    if (isOpen) return true;
    await this.#pause();
    if (!(await this.#retry(() => this.opened(), MOST_RETRIES))) return false;
    this.#onTrouble(undefined);
    return true;
  }

  async #open({ ngCallId, metadata, parties, streams }: RecordingStart): Promise<void> {
    const { spool, spoolKeys, host, journal } = this.#context;
    const at = this.#startedAt;
    const facts = { at, host, ngCallId, metadata, parties, streams };
    this.#segment = await openSegment(spool, facts, spoolKeys);
    this.#tap.drainTo(this.#segment.capture, this.#segment.key);
    journal.append({ type: 'segment.opened', ...this.#ids(this.#segment) });
    this.#log.info({ segment: this.#segment.id }, 'recording');
  }

  #ids(segment: SegmentWriter) {
    return { segment: segment.id, recording: this.metadata?.recording, call: this.metadata?.call };
  }

  #onTrouble(reason: string | undefined): void {
    this.#hasTrouble = reason !== undefined;
    const { refused } = this.#context.health;
    if (this.#hasTrouble) refused.add(this);
    else refused.delete(this);
    if (reason === undefined) this.#log.warn('the recording is written again');
    else this.#log.error({ alarm: 'spool-write', hint: 'free space on the disk of the spool' }, reason);
  }

  /** Notes what the parties send from now on, if it has changed. */
  update(streams: Stream[]): void {
    if (JSON.stringify(streams) === JSON.stringify(this.#streams)) return;
    this.#streams = streams;
    this.#note({ type: 'media', at: microsNow(), streams });
  }

  #note(fact: SegmentMedia | SegmentPause): void {
    this.#notes.push(fact);
    this.#noting = this.#noting.then(() => this.#writeNotes()).catch(() => undefined);
  }

  async #writeNotes(): Promise<void> {
    if (!(await this.#opening)) return;
    for (let note = this.#notes[0]; note !== undefined; note = this.#notes[0]) {
      await this.#segment?.note(note);
      this.#notes.shift();
    }
  }

  /** Nothing that comes is copied until {@link resume}. */
  pause(): void {
    if (this.isPaused || this.#isEnded) return;
    this.isPaused = true;
    for (const { leg } of this.#legs) leg.copyTo(undefined, 0);
    this.#note({ type: 'paused', at: microsNow() });
  }

  resume(): void {
    if (!this.isPaused || this.#isEnded) return;
    this.isPaused = false;
    this.#note({ type: 'resumed', at: microsNow() });
    this.#copy();
  }

  #copy(): void {
    for (const { label, leg } of this.#legs) leg.copyTo(this.#tap, label === 'a' ? 0 : 1);
  }

  /** Ends the copying at once; the segment is finished behind it and closed with the reason. */
  end(reason: EndReason): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const { leg } of this.#legs) leg.copyTo(undefined, 0);
    const { finishing } = this.#context;
    const finished = this.#finish(reason, microsNow()).finally(() => {
      finishing.delete(finished);
      this.#context.health.refused.delete(this);
    });
    finishing.add(finished);
  }

  async #finish(reason: EndReason, at: number): Promise<void> {
    await this.#opening;
    const segment = this.#segment;
    if (segment === undefined) return this.#reportNothing();
    await this.#retry(() => this.#flush(), MOST_RETRIES);
    const wasRefused = this.#hasTrouble;
    const end = await this.#tap.end().catch(() => undefined);
    if (end === undefined) return this.#repair(segment);
    this.#context.health.lostPackets += end.lost;
    const fact = {
      at,
      reason: wasRefused ? ('write-failed' as const) : reason,
      packets: { a: end.captured[0], b: end.captured[1] },
      ...leftOut(end.leftOut),
      lost: end.lost,
    };
    // The memory is free again, and what is left is one line: it is tried for as long as it takes.
    if (await this.#retry(() => segment.close(fact, end.bytes), Number.POSITIVE_INFINITY))
      this.#report(segment, fact, end.bytes);
    else await this.#leaveOpen(segment);
  }

  async #reportNothing(): Promise<void> {
    const packets = (await this.#tap.end().catch(() => undefined))?.lost;
    this.#context.health.lostRecordings += 1;
    this.#context.health.lostPackets += packets ?? 0;
    this.#log.error({ alarm: 'recording-lost', packets }, 'the disk took no segment: nothing is left of it');
  }

  /** Those who wrote the capture are gone: it is cut to its whole records, as the next start would do. */
  async #repair(segment: SegmentWriter): Promise<void> {
    await segment.abandon();
    const { spool, spoolKeys, journal } = this.#context;
    const repair = async () => {
      const { recovered, failed } = await recoverSpool(spool, [segment.id], spoolKeys);
      const [first] = failed;
      if (first !== undefined) throw new Error(first.reason);
      this.#log.warn({ ...recovered[0] }, 'the segment of a relay worker that is gone was closed');
    };
    if (await this.#retry(repair, Number.POSITIVE_INFINITY))
      journal.append({ type: 'segment.closed', ...this.#ids(segment), reason: 'recovered' });
    else await this.#leaveOpen(segment);
  }

  async #leaveOpen(segment: SegmentWriter): Promise<void> {
    await segment.abandon();
    this.#log.error(
      { alarm: 'segment-open', segment: segment.id, hint: 'the next start of grec-mediad closes it' },
      'the segment could not be closed',
    );
  }

  async #flush(): Promise<void> {
    await this.#noting;
    if (this.#start.shard.lost !== undefined) return;
    const isDrained = await this.#tap.drain();
    await this.#writeNotes();
    if (!isDrained) throw new Error('the disk takes nothing');
  }

  /**
   * @param most attempts after the end of the recording
   * @returns false when it failed to the end
   */
  async #retry(attempt: () => Promise<void>, most: number): Promise<boolean> {
    const { stopping } = this.#context;
    for (let count = 0; ; count += this.#isEnded ? 1 : 0) {
      try {
        await attempt();
        return true;
      } catch (thrown) {
        this.#log.debug(messageOf(thrown));
      }
      if (stopping.aborted || count >= most) return false;
      await this.#pause();
    }
  }

  /** Cut short when the daemon stops. */
  async #pause(): Promise<void> {
    const { stopping: signal } = this.#context;
    await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }

  #report(
    segment: SegmentWriter,
    { reason, packets, lost }: Omit<SegmentClosed, 'type'>,
    bytes: number,
  ): void {
    this.#context.journal.append({ type: 'segment.closed', ...this.#ids(segment), reason });
    const facts = { segment: segment.id, reason, packets, lost, bytes };
    if (lost > 0) this.#log.error({ alarm: 'packets-lost', ...facts }, 'recording ended with packets lost');
    else this.#log.info(facts, 'recording ended');
  }
}

function leftOut([a, b]: [number, number]): Pick<SegmentClosed, 'leftOut'> {
  return a + b === 0 ? {} : { leftOut: { a, b } };
}
