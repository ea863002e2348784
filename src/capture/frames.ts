// A capture of either format, read in pieces: what it is, the first bytes say.
import type { Frame, FrameReader } from './frame.ts';
import { PCAP_HEADER_BYTES, type PcapFormat, pcapFormat, pcapRecord } from './pcap-frames.ts';
import { PcapngBlocks, SECTION_HEADER } from './pcapng-frames.ts';

const GZIP = 0x1f8b;

/** A reader of one capture file. */
export function createFrameReader(): FrameReader {
  return new Reader();
}

class Reader implements FrameReader {
  problem: string | undefined;
  unusable = 0;
  #rest: Buffer = Buffer.alloc(0);
  #format: PcapFormat | PcapngBlocks | undefined;

  get pending(): number {
    return this.#rest.length;
  }

  *push(piece: Buffer): Generator<Frame> {
    if (this.problem !== undefined) return;
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let offset = this.#begin(bytes);
    while (this.problem === undefined && this.#format !== undefined) {
      const found = this.#next(bytes, offset, this.#format);
      if (found === 'short') break;
      if ('problem' in found) this.problem = found.problem;
      else {
        offset += found.length;
        if (found.frame !== undefined) yield found.frame;
      }
    }
    // A copy: a view would keep the whole piece, however long the next one takes to come.
    this.#rest = Buffer.from(bytes.subarray(offset));
  }

  #next(bytes: Buffer, offset: number, format: PcapFormat | PcapngBlocks) {
    if (!(format instanceof PcapngBlocks)) return pcapRecord(bytes, offset, format);
    const block = format.read(bytes, offset);
    if (block !== 'short' && 'isUnusable' in block && block.isUnusable) this.unusable += 1;
    return block;
  }

  /** @returns where the first record stands */
  #begin(bytes: Buffer): number {
    if (this.#format !== undefined || bytes.length < PCAP_HEADER_BYTES) return 0;
    if (bytes.readUInt32BE(0) === SECTION_HEADER) {
      this.#format = new PcapngBlocks();
      return 0;
    }
    this.#format = pcapFormat(bytes);
    if (this.#format === undefined) this.problem = notACapture(bytes);
    return PCAP_HEADER_BYTES;
  }
}

function notACapture(bytes: Buffer): string {
  if (bytes.readUInt16BE(0) === GZIP) return 'it is compressed: gunzip it first';
  return 'neither pcap nor pcapng';
}
