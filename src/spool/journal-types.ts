// What a journal promises to who writes it, and what it needs.
import type { DaemonName } from '../config.ts';

/** Web Services only ask: nothing happens there that a recording is made of. */
export type JournalingDaemon = Exclude<DaemonName, 'grec-webd'>;

import type { Logger } from '../log.ts';
import type { EventBody, JournalEvent } from './events.ts';

/** The system calls of a journal, so that a test can let the disk be full. */
export interface JournalIo {
  writeSync(fd: number, bytes: Buffer): number;
  ftruncateSync(fd: number, size: number): void;
  fdatasync(fd: number, done: (error: Error | null) => void): void;
}

export interface JournalOptions {
  /** The folder of all journals; this one is `directory/daemon/`. */
  directory: string;
  daemon: JournalingDaemon;
  log: Logger;
  rotateBytes?: number;
  retryIntervalMs?: number;
  io?: JournalIo;
}

export interface Journal {
  /**
   * Adds `seq` and `at` and writes the event as one line: when this returns it survives the end of the process, and
   * 200 ms later that of the machine. While the disk takes nothing, events wait in memory. Never throws.
   */
  append(event: EventBody): JournalEvent;
  /**
   * Like {@link append}, but the event is written with the others of ten milliseconds, or before the next append: a kill of
   * the process until then loses it. Cheaper by far for what comes a thousand times a second.
   */
  appendSoon(event: EventBody): JournalEvent;
  /** Events that wait for the disk. */
  readonly pending: number;
  /** Events dropped because too many waited. */
  readonly lost: number;
  /** Writes what waits, makes it durable and closes the file. */
  close(): Promise<void>;
}
