// Recordings of a real rtpengine become segments of the spool: from there on they are processed like those of grec-mediad.
//
// rtpengine closes a capture before its notes show in `metadata/`. A segment is made beside the spool's others under a name that
// nobody reads, then renamed, and only then is the original removed; its id follows from the original's name. So a crash in
// between leaves work to do, or something to remove: never a loss, nothing twice.
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { v5 } from 'uuid';
import type { CatalogWriter } from '../catalog/catalog.ts';
import { type Config, machineName } from '../config.ts';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import { openCapture } from '../spool/capture-file.ts';
import {
  RTPENGINE_CAPTURES,
  RTPENGINE_METADATA,
  type RtpengineNotes,
  readRtpengineNotes,
} from '../spool/rtpengine-recording.ts';
import {
  CAPTURE_FILE,
  FACTS_FILE,
  type SegmentClosed,
  type SegmentFact,
  type SegmentOpened,
} from '../spool/segment.ts';
import { syncPath } from '../sync.ts';
import { copyCapture } from './rtpengine-capture.ts';

const RETRY_MS = 30_000;

const NAME_SPACE = 'd5f0a2c4-0f0b-4d5e-9b4a-4a1c6f3b8e21';

export interface RtpengineImportOptions {
  /** rtpengine's recording directory. */
  recordings: string;
  spool: string;
  /** The name of this machine. */
  host: string;
  /** Whether a segment has become part of a recording. */
  isDone(segment: string): boolean;
  /** Something cannot be taken; told once for each. */
  onProblem(subject: string, message: string): void;
  log: Logger;
}

/** Of what rtpengine records, when it is the media server of this configuration. */
export function openRtpengineImport(context: {
  config: Config;
  catalog: CatalogWriter;
  log: Logger;
}): RtpengineImport | undefined {
  const { config, catalog, log } = context;
  const { recordings, spool } = config.paths;
  if (recordings === undefined) return undefined;
  return new RtpengineImport({
    recordings,
    spool,
    host: machineName(),
    isDone: (segment) => catalog.usedSegment(segment) !== undefined,
    onProblem: (subject, message) => {
      log.error({ alarm: 'import', hint: 'is its recording directory this one, and writable?' }, message);
      catalog.raiseAlarm({ at: Date.now(), severity: 'major', subject, message });
    },
    log,
  });
}

export class RtpengineImport {
  /** Segments made in this life. */
  taken = 0;
  readonly #options: RtpengineImportOptions;
  /** What was told already, and when it is tried again: milliseconds of the monotonic clock. */
  readonly #told = new Map<string, number>();

  constructor(options: RtpengineImportOptions) {
    this.#options = options;
  }

  /** The folder in which finished recordings show. */
  get folder(): string {
    return join(this.#options.recordings, RTPENGINE_METADATA);
  }

  /** Takes what has ended. Never rejects. */
  async look(): Promise<void> {
    for (const name of this.#names()) {
      if ((this.#told.get(name) ?? 0) > performance.now()) continue;
      try {
        await this.#take(name);
        this.#told.delete(name);
      } catch (thrown) {
        this.#tell(name, messageOf(thrown));
      }
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.folder).filter((name) => name.endsWith('.txt'));
    } catch (thrown) {
      // rtpengine makes it when it starts.
      if (systemCode(thrown) !== 'ENOENT') this.#tell(this.folder, messageOf(thrown));
      return [];
    }
  }

  #tell(name: string, message: string): void {
    const isTold = this.#told.has(name);
    this.#told.set(name, performance.now() + RETRY_MS);
    if (isTold) return;
    this.#options.onProblem(
      `rtpengine ${name}`,
      `a recording of rtpengine cannot be taken into the spool: ${message}`,
    );
  }

  async #take(name: string): Promise<void> {
    const { recordings, spool, isDone, log } = this.#options;
    const file = join(this.folder, name);
    const notes = readRtpengineNotes(await readFile(file, 'utf8'));
    if ('problem' in notes) throw new GrecError('SPOOL_INVALID', `${file}: ${notes.problem}`);
    const capture = join(recordings, RTPENGINE_CAPTURES, notes.capture);
    const segment = v5(name, NAME_SPACE);
    if (!existsSync(join(spool, segment)) && !isDone(segment)) {
      await this.#make(segment, notes, capture);
      this.taken += 1;
      log.info({ segment, recording: notes.metadata.recording }, 'a recording of rtpengine is in the spool');
    }
    await rm(capture, { force: true });
    await rm(file, { force: true });
  }

  async #make(segment: string, notes: RtpengineNotes, source: string): Promise<void> {
    const { spool } = this.#options;
    const making = join(spool, `.rtpengine-${segment}`);
    await rm(making, { recursive: true, force: true });
    await mkdir(making, { recursive: true, mode: 0o750 });
    try {
      await this.#fill(making, segment, notes, source);
      await rename(making, join(spool, segment));
    } catch (thrown) {
      await rm(making, { recursive: true, force: true });
      throw thrown;
    }
    await syncPath(spool);
  }

  async #fill(making: string, segment: string, notes: RtpengineNotes, source: string): Promise<void> {
    const capture = join(making, CAPTURE_FILE);
    await copyCapture(source, capture);
    const facts = this.#facts(segment, notes, measure(capture, notes));
    await writeDurably(join(making, FACTS_FILE), facts);
    await syncPath(making);
  }

  #facts(segment: string, { callId, metadata: told }: RtpengineNotes, measured: Measured): SegmentFact[] {
    const { streams, ...metadata } = told;
    const opened: SegmentOpened = {
      type: 'opened',
      version: 1,
      segment,
      at: measured.first,
      host: this.#options.host,
      ngCallId: callId,
      metadata,
      isUnjournaled: true,
      streams,
    };
    const { last: at, packets } = measured;
    const closed: SegmentClosed = { type: 'closed', at, reason: 'stopped', packets, lost: 0 };
    return [opened, closed];
  }
}

interface Measured {
  /** Of the first and the last packet, wall clock in microseconds since 1970. */
  first: number;
  last: number;
  packets: Record<string, number>;
}

function measure(capture: string, { metadata: { streams } }: RtpengineNotes): Measured {
  const labels = new Map(
    streams.flatMap(({ label, rtpPort, rtcpPort }) => [
      [rtpPort, label] as const,
      [rtcpPort, label] as const,
    ]),
  );
  const packets: Record<string, number> = { a: 0, b: 0 };
  let [first, last] = [0, 0];
  for (const { at, destination } of openCapture(capture)) {
    const label = labels.get(destination.port);
    if (label !== undefined) packets[label] = (packets[label] ?? 0) + 1;
    if (first === 0) first = at;
    last = Math.max(last, at);
  }
  const now = Date.now() * 1000;
  return first === 0 ? { first: now, last: now, packets } : { first, last, packets };
}

async function writeDurably(file: string, facts: SegmentFact[]): Promise<void> {
  const handle = await open(file, 'wx', 0o640);
  try {
    await handle.write(facts.map((fact) => `${JSON.stringify(fact)}\n`).join(''));
    await handle.sync();
  } finally {
    await handle.close();
  }
}
