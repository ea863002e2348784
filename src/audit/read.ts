// Reading the audit log, and proving that none of its lines was changed, taken out or put in.
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { listAuditFiles } from './append.ts';
import { type AuditRecord, LONGEST_LINE_BYTES, parseRecord, sha256 } from './record.ts';

export interface AuditFinding {
  file: string;
  /** From 1 on. */
  line: number;
  message: string;
}

export interface AuditReport {
  findings: AuditFinding[];
  entries: number;
  /** What processes that ended have left of lines, each of which the next entry knows. */
  torn: number;
  /** The last entry. */
  head: { seq: number; hash: string } | undefined;
}

interface Line {
  file: string;
  line: number;
  bytes: Buffer;
  /** It has no line feed: it is being written, or was when its process ended. */
  isOpen: boolean;
}

/** The entries in order; lines that cannot be read are left out. @throws GrecError AUDIT_UNREADABLE */
export async function* readAudit(directory: string): AsyncGenerator<AuditRecord> {
  for await (const { bytes } of linesOf(directory)) {
    const parsed = parseRecord(bytes);
    if ('record' in parsed) yield parsed.record;
  }
}

/**
 * Does not throw for what it finds.
 * @param expected an entry that is known from elsewhere
 * @throws GrecError AUDIT_UNREADABLE
 */
export async function verifyAudit(
  directory: string,
  expected?: { seq: number; hash: string },
): Promise<AuditReport> {
  const chain = new Chain(expected);
  for await (const line of linesOf(directory)) chain.take(line);
  return chain.end();
}

class Chain {
  readonly #report: AuditReport = { findings: [], entries: 0, torn: 0, head: undefined };
  readonly #expected: { seq: number; hash: string } | undefined;
  #isExpectedSeen = false;
  /** A line that is no entry: the next one says whether it was torn. */
  #odd: (Line & { problem: string }) | undefined;
  /** The last entry, and the one before it: it may have been whole but for its line feed, and count as torn. */
  #last: { bytes: Buffer; before: AuditReport['head'] } | undefined;

  constructor(expected: { seq: number; hash: string } | undefined) {
    this.#expected = expected;
  }

  take(line: Line): void {
    const parsed = parseRecord(line.bytes);
    if (!('record' in parsed)) return this.#takeOdd(line, parsed.problem);
    if (line.isOpen) return;
    const { record, hash } = parsed;
    const isTornKnown = this.#takeTorn(record);
    this.#compare(line, record, isTornKnown);
    this.#report.entries += 1;
    this.#last = { bytes: Buffer.from(line.bytes), before: this.#report.head };
    this.#report.head = { seq: record.seq, hash };
    const { seq, hash: known } = this.#expected ?? { seq: 0, hash: '' };
    if (record.seq === seq && hash === known) this.#isExpectedSeen = true;
  }

  #takeOdd(line: Line, problem: string): void {
    if (this.#odd !== undefined) this.#tell(this.#odd, this.#odd.problem);
    this.#odd = { ...line, bytes: Buffer.from(line.bytes), problem };
  }

  /** @returns whether the line before it, which is no entry, was told of or is one that it knows */
  #takeTorn({ torn }: AuditRecord): boolean {
    const odd = this.#odd;
    this.#odd = undefined;
    if (odd === undefined) return torn === undefined || this.#takeBack(torn);
    if (isThat(torn, odd.bytes)) this.#report.torn += 1;
    else this.#tell(odd, odd.problem);
    return true;
  }

  /** The entry before had all but its line feed: whoever wrote it ended, and did nothing. */
  #takeBack(torn: AuditRecord['torn']): boolean {
    const last = this.#last;
    if (last === undefined || !isThat(torn, last.bytes)) return false;
    this.#report.head = last.before;
    this.#report.entries -= 1;
    this.#report.torn += 1;
    return true;
  }

  #compare(line: Line, { seq, previous }: AuditRecord, isTornKnown: boolean): void {
    const { head } = this.#report;
    if (!isTornKnown) this.#tell(line, 'what was left of a line before it is gone');
    if (head === undefined && (seq !== 1 || previous !== null))
      this.#tell(line, `entries 1 to ${seq - 1} are missing: the log begins with number ${seq}`);
    if (head === undefined) return;
    if (seq !== head.seq + 1) this.#tell(line, `it has number ${seq}, after number ${head.seq}`);
    else if (previous !== head.hash) this.#tell(line, `it does not follow from entry ${head.seq}`);
  }

  #tell({ file, line }: Pick<Line, 'file' | 'line'>, message: string): void {
    this.#report.findings.push({ file, line, message });
  }

  end(): AuditReport {
    const odd = this.#odd;
    if (odd !== undefined && !odd.isOpen) this.#tell(odd, odd.problem);
    const { findings } = this.#report;
    if (this.#expected !== undefined && !this.#isExpectedSeen) {
      const message = `entry ${this.#expected.seq}, which was expected, is not there: the log was cut off, or is another one`;
      findings.push({ file: '', line: 0, message });
    }
    return this.#report;
  }
}

function isThat(torn: AuditRecord['torn'], bytes: Buffer): boolean {
  return torn?.bytes === bytes.length && torn.sha256 === sha256(bytes);
}

async function* linesOf(directory: string): AsyncGenerator<Line> {
  for (const file of namesIn(directory)) {
    let line = 0;
    let rest = Buffer.alloc(0);
    try {
      for await (const piece of createReadStream(join(directory, file)) as AsyncIterable<Buffer>) {
        rest = Buffer.concat([rest, piece]);
        let from = 0;
        for (let to = rest.indexOf(0x0a); to >= 0; from = to + 1, to = rest.indexOf(0x0a, from)) {
          line += 1;
          yield { file, line, bytes: rest.subarray(from, to), isOpen: false };
        }
        rest = rest.subarray(from);
        // What is no log must not be read into memory.
        if (rest.length > 4 * LONGEST_LINE_BYTES) throw new Error(`${file}: line ${line + 1} has no end`);
      }
    } catch (thrown) {
      throw unreadable(directory, thrown);
    }
    if (rest.length > 0) yield { file, line: line + 1, bytes: rest, isOpen: true };
  }
}

function namesIn(directory: string): string[] {
  try {
    return listAuditFiles(directory);
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw unreadable(directory, thrown);
  }
}

function unreadable(directory: string, thrown: unknown): GrecError {
  return new GrecError('AUDIT_UNREADABLE', `cannot read the audit log ${directory}: ${messageOf(thrown)}`, {
    hint: 'run it as the user of the daemons, or as root',
    cause: thrown,
  });
}
