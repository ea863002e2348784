// One segment being written beside the spool: the capture as packets come, the facts once all of it is known.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endpointOfKey } from '../capture/endpoint.ts';
import { type FlowHeader, fileHeader, flowHeader, recordLength, writeRecord } from '../spool/pcap.ts';
import { CAPTURE_FILE, FACTS_FILE, type SegmentFact } from '../spool/segment.ts';
import { syncPathNow } from '../sync.ts';

/** Bytes that wait for the disk: of one segment, and of all. */
const SEGMENT_BYTES = 64 << 10;
const ALL_BYTES = 16 << 20;
const MOST_FLOWS = 64;

/** The memory that all segments of an import share. */
export class WriteBudget {
  #used = 0;
  readonly #waiting = new Set<StagedSegment>();

  /** Counts bytes of a segment; when all have too many, all are written. */
  add(segment: StagedSegment, bytes: number): void {
    this.#used += bytes;
    this.#waiting.add(segment);
    if (this.#used < ALL_BYTES) return;
    for (const one of [...this.#waiting]) one.flush();
  }

  remove(segment: StagedSegment, bytes: number): void {
    this.#used -= bytes;
    this.#waiting.delete(segment);
  }
}

export class StagedSegment {
  readonly id: string;
  readonly directory: string;
  readonly #budget: WriteBudget;
  readonly #flows = new Map<string, FlowHeader>();
  #records: Buffer[] = [];
  #bytes = 0;
  #isBegun = false;

  constructor(id: string, folder: string, budget: WriteBudget) {
    this.id = id;
    this.directory = join(folder, id);
    this.#budget = budget;
  }

  /** Adds one datagram. It is written as the media server would: to a port that is the party's alone. Throws Node's system errors. */
  write(at: number, source: string, destination: string, port: number, payload: Buffer): void {
    const flow = this.#flow(source, destination, port);
    const record = Buffer.allocUnsafe(recordLength(flow, payload.length));
    writeRecord(record, 0, at, flow, payload);
    this.#records.push(record);
    this.#bytes += record.length;
    this.#budget.add(this, record.length);
    if (this.#bytes >= SEGMENT_BYTES) this.flush();
  }

  #flow(source: string, destination: string, port: number): FlowHeader {
    const name = `${source}${destination}${port}`;
    const known = this.#flows.get(name);
    if (known !== undefined) return known;
    if (this.#flows.size >= MOST_FLOWS) this.#flows.clear();
    const { address } = endpointOfKey(destination);
    const flow = flowHeader(endpointOfKey(source), { address, port });
    this.#flows.set(name, flow);
    return flow;
  }

  flush(): void {
    this.#begin();
    const records = this.#records;
    this.#budget.remove(this, this.#bytes);
    this.#records = [];
    this.#bytes = 0;
    if (records.length > 0) appendFileSync(join(this.directory, CAPTURE_FILE), Buffer.concat(records));
  }

  #begin(): void {
    if (this.#isBegun) return;
    mkdirSync(this.directory, { recursive: true, mode: 0o750 });
    writeFileSync(join(this.directory, CAPTURE_FILE), fileHeader(), { mode: 0o640 });
    this.#isBegun = true;
  }

  /** Writes what waits and the facts, and makes both durable. */
  finish(facts: readonly SegmentFact[]): void {
    this.flush();
    const lines = facts.map((fact) => `${JSON.stringify(fact)}\n`).join('');
    writeFileSync(join(this.directory, FACTS_FILE), lines, { mode: 0o640, flush: true });
    for (const path of [join(this.directory, CAPTURE_FILE), this.directory]) syncPathNow(path);
  }
}
