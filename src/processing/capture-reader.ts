// The captures of segments that overlap in time, each read from front to back, one packet ahead.
import { GrecError, systemCode } from '../errors.ts';
import { type Capture, openCapture } from '../spool/capture-file.ts';
import type { CapturedPacket } from '../spool/pcap-reader.ts';
import type { SpoolKeys } from '../spool/sealed-capture.ts';
import type { SegmentFacts } from '../spool/segment.ts';

export interface CaptureReader {
  /** The packet that comes next; undefined when there is none. */
  readonly next: CapturedPacket | undefined;
  /** Why the capture could not be read. */
  readonly unreadable: string | undefined;
  take(packet: CapturedPacket): void;
  /** Throws Node's system errors when the system refuses for now. */
  advance(): void;
  /** What is wrong with it, in words, when all is read. */
  problems(facts: SegmentFacts): string[];
}

/** Opens a capture at its first packet. Throws Node's system errors when the system refuses for now. */
export function openReader(file: string, take: CaptureReader['take'], keys?: SpoolKeys): CaptureReader {
  const reader = new Reader(file, take, keys);
  reader.advance();
  return reader;
}

class Reader implements CaptureReader {
  readonly take: CaptureReader['take'];
  readonly #file: string;
  readonly #keys: SpoolKeys | undefined;
  #capture: Capture | undefined;
  #packets: Iterator<CapturedPacket> | undefined;
  #count = 0;
  next: CapturedPacket | undefined;
  unreadable: string | undefined;

  constructor(file: string, take: CaptureReader['take'], keys: SpoolKeys | undefined) {
    this.#file = file;
    this.#keys = keys;
    this.take = take;
  }

  advance(): void {
    try {
      this.#capture ??= openCapture(this.#file, this.#keys);
      this.#packets ??= this.#capture[Symbol.iterator]();
      const { value, done } = this.#packets.next();
      this.next = done === true ? undefined : value;
      if (this.next !== undefined) this.#count += 1;
    } catch (thrown) {
      this.next = undefined;
      if (!(thrown instanceof GrecError) || thrown.code !== 'SPOOL_INVALID') throw thrown;
      if (!isLasting(thrown.cause)) throw thrown.cause;
      this.unreadable = thrown.message;
    }
  }

  problems({ opened, closed }: SegmentFacts): string[] {
    if (this.#capture === undefined) return [];
    const name = `segment ${opened.segment}`;
    const { skipped, problem } = this.#capture;
    const { a = 0, b = 0 } = closed?.packets ?? {};
    const isShort = this.#count + skipped < a + b;
    return [
      ...(isShort
        ? [`${name}: the capture holds ${this.#count} of the ${a + b} packets that were written`]
        : []),
      ...(problem === undefined ? [] : [`${name}: the capture breaks off: ${problem}`]),
      ...(skipped > 0 ? [`${name}: ${skipped} records of the capture are no datagrams`] : []),
    ];
  }
}

/** What the system refuses for now (too many open files, a failing disk) is no fault of the capture. */
function isLasting(cause: unknown): boolean {
  const code = systemCode(cause);
  return code === undefined || code === 'ENOENT' || code === 'EISDIR';
}

/** In groups of which each begins after the one before has ended. @param segments in the order of time */
export function overlapping<T extends { facts: SegmentFacts }>(segments: readonly T[]): T[][] {
  const groups: T[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const segment of segments) {
    const { opened, closed } = segment.facts;
    if (opened.at >= end) groups.push([]);
    groups.at(-1)?.push(segment);
    end = Math.max(end, closed?.at ?? opened.at);
  }
  return groups;
}
