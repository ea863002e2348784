// The event journal: each daemon appends its events to its own files and never waits, fails or forgets over it.
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { GrecError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { syncPathNow } from '../sync.ts';
import { microsNow } from './clock.ts';
import type { EventBody, JournalEvent } from './events.ts';
import { journalFileName, listJournalFiles, repairTail } from './journal-files.ts';
import type { Journal, JournalIo, JournalingDaemon, JournalOptions } from './journal-types.ts';

export {
  createJournalReader,
  type JournalCheckpoint,
  type JournalProblem,
  type JournalReader,
} from './journal-reader.ts';
export type { Journal, JournalIo, JournalOptions } from './journal-types.ts';

const ROTATE_BYTES = 16 << 20;
const SYNC_INTERVAL_MS = 200;
const RETRY_INTERVAL_MS = 1000;
/** How long what may wait does: a write costs more than ten lines in it. */
const SOON_MS = 10;
/** Events kept in memory while the disk takes none: some 5 MB. */
const MOST_PENDING = 10_000;

/**
 * Opens the journal of a daemon for appending, once per process; the sequence goes on where it stood, and a half last
 * line is cut off.
 * @throws GrecError STATE_UNUSABLE
 */
export function openJournal(options: JournalOptions): Journal {
  return new FileJournal(options);
}

interface Line {
  seq: number;
  text: string;
}

class FileJournal implements Journal {
  readonly #folder: string;
  readonly #daemon: JournalingDaemon;
  readonly #log: Logger;
  readonly #rotateBytes: number;
  readonly #retryIntervalMs: number;
  readonly #io: JournalIo;
  #fd = -1;
  #name = '';
  #size = 0;
  #nextSeq = 1;
  /** Bytes of lines that were only half written may stand after `size`. */
  #isTorn = false;
  /** The file has been removed, and what is written into it with it. */
  #isGone = false;
  #waiting: Line[] = [];
  /** Lines that are about to be written. */
  #batch: Line[] = [];
  #flushing: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  /** Syncs run one after the other, so that no file is closed under one. */
  #syncs: Promise<void> = Promise.resolve();
  lost = 0;

  constructor(options: JournalOptions) {
    this.#folder = join(options.directory, options.daemon);
    this.#daemon = options.daemon;
    this.#log = options.log;
    this.#rotateBytes = options.rotateBytes ?? ROTATE_BYTES;
    this.#retryIntervalMs = options.retryIntervalMs ?? RETRY_INTERVAL_MS;
    this.#io = options.io ?? { writeSync, ftruncateSync, fdatasync };
    this.#open();
  }

  get pending(): number {
    return this.#waiting.length;
  }

  append(event: EventBody): JournalEvent {
    const entry = this.#add(event);
    this.#flush();
    return entry;
  }

  appendSoon(event: EventBody): JournalEvent {
    const entry = this.#add(event);
    this.#flushing ??= setTimeout(() => this.#flush(), SOON_MS);
    return entry;
  }

  #add(event: EventBody): JournalEvent {
    const seq = this.#nextSeq++;
    const entry: JournalEvent = { seq, at: microsNow(), daemon: this.#daemon, ...event };
    this.#batch.push({ seq, text: `${JSON.stringify(entry)}\n` });
    return entry;
  }

  #flush(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    const problem = this.#waiting.length > 0 ? undefined : this.#write(batch);
    if (this.#waiting.length === 0 && problem === undefined) return;
    if (problem !== undefined) {
      this.#log.error(
        { alarm: 'journal-write', hint: 'free space on its disk; events wait in memory until then' },
        `cannot write the journal in ${this.#folder}: ${problem}`,
      );
    }
    for (const line of batch) this.#keep(line);
  }

  async close(): Promise<void> {
    if (this.#fd < 0) return;
    this.#flush();
    clearInterval(this.#retryTimer);
    this.#drain();
    clearTimeout(this.#syncTimer);
    if (this.#waiting.length > 0) {
      this.#log.error(
        { alarm: 'journal-lost', events: this.#waiting.length },
        'events lost: the journal took none',
      );
    }
    await this.#syncs;
    const fd = this.#fd;
    this.#fd = -1;
    try {
      fdatasyncSync(fd);
    } catch (thrown) {
      this.#log.error({ alarm: 'journal-sync' }, `cannot sync the journal: ${messageOf(thrown)}`);
    } finally {
      closeSync(fd);
    }
  }

  #open(): void {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o750 });
      const newest = listJournalFiles(this.#folder).at(-1);
      if (newest === undefined) return this.#begin(1);
      this.#fd = openSync(join(this.#folder, newest), 'a+', 0o640);
      this.#name = newest;
      const { nextSeq, size, cut } = repairTail(this.#folder, newest, this.#fd);
      this.#nextSeq = nextSeq;
      this.#size = size;
      if (cut > 0)
        this.#log.warn({ file: newest, bytes: cut }, 'journal repaired: a half last line was cut off');
    } catch (thrown) {
      throw new GrecError(
        'STATE_UNUSABLE',
        `cannot open the journal in ${this.#folder}: ${messageOf(thrown)}`,
        {
          hint: 'give the folder to the user that runs grec, and free space on its disk',
          cause: thrown,
        },
      );
    }
  }

  #begin(firstSeq: number): void {
    this.#name = journalFileName(firstSeq);
    this.#fd = openSync(join(this.#folder, this.#name), 'a', 0o640);
    this.#size = fstatSync(this.#fd).size;
    syncPathNow(this.#folder);
  }

  /** @returns what went wrong, or undefined when all the lines are in the file; none of them is when something did */
  #write(lines: readonly Line[]): string | undefined {
    const seq = lines[0]?.seq ?? this.#nextSeq;
    const bytes = Buffer.from(
      lines.length === 1 ? (lines[0]?.text ?? '') : lines.map(({ text }) => text).join(''),
    );
    try {
      if (this.#isTorn) this.#mend();
      if (this.#isGone) this.#beginAgain(seq);
      if (this.#size >= this.#rotateBytes) this.#rotate(seq);
      this.#isTorn = true;
      const written = this.#io.writeSync(this.#fd, bytes);
      if (written < bytes.length) throw new Error(`${written} of ${bytes.length} bytes written`);
      this.#isTorn = false;
      this.#size += written;
      this.#syncSoon();
      return undefined;
    } catch (thrown) {
      if (this.#isTorn) this.#tryMend();
      return messageOf(thrown);
    }
  }

  #mend(): void {
    this.#io.ftruncateSync(this.#fd, this.#size);
    this.#isTorn = false;
  }

  #tryMend(): void {
    try {
      this.#mend();
    } catch {
      // It stays torn: the next write mends it first, and so does the next start.
    }
  }

  #rotate(seq: number): void {
    const full = this.#fd;
    this.#begin(seq);
    this.#syncs = this.#syncs.then(() => this.#sync(full)).then(() => closeSync(full));
  }

  /** What is written into a file that somebody has removed, nobody reads: the next event begins a new one. */
  #beginAgain(seq: number): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o750 });
    this.#rotate(seq);
    this.#isGone = false;
  }

  #lookForFile(): void {
    const stands = statSync(join(this.#folder, this.#name), { throwIfNoEntry: false });
    if (this.#isGone || stands?.ino === fstatSync(this.#fd).ino) return;
    this.#isGone = true;
    const told = { alarm: 'journal-lost', hint: 'leave the journal to grec; what was in it is lost' };
    this.#log.error(told, `the journal ${join(this.#folder, this.#name)} was removed: a new file begins`);
  }

  #syncSoon(): void {
    if (this.#syncTimer !== undefined) return;
    this.#syncTimer = setTimeout(() => {
      this.#syncTimer = undefined;
      this.#tryToLook();
      const fd = this.#fd;
      this.#syncs = this.#syncs.then(() => this.#sync(fd));
    }, SYNC_INTERVAL_MS).unref();
  }

  #tryToLook(): void {
    try {
      this.#lookForFile();
    } catch {
      // A disk that does not even answer this tells of itself when it is written.
    }
  }

  #sync(fd: number): Promise<void> {
    return new Promise((resolve) => {
      this.#io.fdatasync(fd, (error) => {
        if (error) this.#log.error({ alarm: 'journal-sync' }, `cannot sync the journal: ${error.message}`);
        resolve();
      });
    });
  }

  #keep(line: Line): void {
    if (this.#waiting.length >= MOST_PENDING) {
      // The number it took stays missing in the file: the reader tells of the gap.
      this.lost += 1;
      if (this.lost === 1)
        this.#log.error({ alarm: 'journal-lost' }, 'too many events wait: new ones are lost');
    } else this.#waiting.push(line);
    this.#retryTimer ??= setInterval(() => this.#drain(), this.#retryIntervalMs).unref();
  }

  #drain(): void {
    let done = 0;
    for (const line of this.#waiting) {
      if (this.#write([line]) !== undefined) break;
      done += 1;
    }
    if (done === 0) return;
    this.#waiting = this.#waiting.slice(done);
    if (this.#waiting.length > 0) return;
    clearInterval(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#log.info({ events: done, lost: this.lost }, 'the journal is written again');
  }
}
