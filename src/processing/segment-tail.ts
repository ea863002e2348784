// The end of a capture that is being written: its packets as the media server flushes them.
import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { systemCode } from '../errors.ts';
import { REGULAR_FILE_FLAGS } from '../regular-file.ts';
import { FILE_HEADER_BYTES } from '../spool/pcap.ts';
import {
  type CaptureCursor,
  type CapturedPacket,
  captureCursor,
  decodeRecords,
} from '../spool/pcap-reader.ts';
import { isSealed, type SpoolKeys, unseal } from '../spool/sealed-capture.ts';

const PIECE_BYTES = 1 << 18;

export class SegmentTail {
  readonly #file: FileHandle;
  readonly #key: Buffer | undefined;
  readonly #cursor: CaptureCursor = captureCursor(0);
  #position = FILE_HEADER_BYTES;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(file: FileHandle, key: Buffer | undefined) {
    this.#file = file;
    this.#key = key;
  }

  /** Undefined when the capture is not there, not yet or not any more. Throws Node's other system errors. */
  static async open(captureFile: string, keys?: SpoolKeys): Promise<SegmentTail | undefined> {
    try {
      const file = await open(captureFile, REGULAR_FILE_FLAGS);
      return new SegmentTail(file, await keyOf(file, keys));
    } catch (thrown) {
      if (systemCode(thrown) === 'ENOENT') return undefined;
      throw thrown;
    }
  }

  /** Takes all that has been added since; other work runs in between. Packets are only valid while they are taken. */
  async read(take: (packet: CapturedPacket) => void): Promise<void> {
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      const { bytesRead } = await this.#file.read(piece, 0, PIECE_BYTES, this.#position);
      if (bytesRead === 0 || this.#cursor.problem !== undefined) return;
      unseal(this.#key, piece.subarray(0, bytesRead), this.#position);
      this.#position += bytesRead;
      const bytes = Buffer.concat([this.#rest, piece.subarray(0, bytesRead)]);
      this.#cursor.offset = 0;
      for (const packet of decodeRecords(bytes, this.#cursor)) take(packet);
      this.#rest = Buffer.from(bytes.subarray(this.#cursor.offset));
      if (bytesRead < PIECE_BYTES) return;
      await setImmediate();
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** The header is there before the segment is known. What cannot be opened holds nothing that anybody could hear. */
async function keyOf(file: FileHandle, keys: SpoolKeys | undefined): Promise<Buffer | undefined> {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  await file.read(header, 0, FILE_HEADER_BYTES, 0);
  return isSealed(header) ? keys?.keyOf(header) : undefined;
}
