// Captures of rtpengine copied into the form of ours: `raw` ones are of it already, `eth` ones lose their Ethernet headers.
import { constants } from 'node:fs';
import { copyFile, type FileHandle, open } from 'node:fs/promises';
import { GrecError } from '../errors.ts';
import { FILE_HEADER_BYTES, fileHeader, RECORD_HEADER_BYTES } from '../spool/pcap.ts';
import { checkFileHeader } from '../spool/pcap-reader.ts';

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const LINKTYPE_ETHERNET = 1;
const ETHERNET_BYTES = 14;
const LARGEST_RECORD = 70_000;
const CHUNK_BYTES = 1 << 20;

/**
 * @param target is created, and synced to the disk
 * @throws GrecError SPOOL_INVALID when it is no capture; Node's system errors
 */
export async function copyCapture(source: string, target: string): Promise<void> {
  const from = await open(source, 'r');
  try {
    const header = Buffer.alloc(FILE_HEADER_BYTES);
    const { bytesRead } = await from.read(header, 0, FILE_HEADER_BYTES, 0);
    // Nothing has come: its buffer was never written.
    if (bytesRead === 0) await write(target, async (to) => void (await to.write(fileHeader())));
    else if (checkFileHeader(header) === undefined) await copyWhole(source, target);
    else if (isEthernet(header)) await write(target, (to) => copyRecords(from, to));
    else throw new GrecError('SPOOL_INVALID', `${source}: ${checkFileHeader(header.subarray(0, bytesRead))}`);
  } finally {
    await from.close();
  }
}

function isEthernet(header: Buffer): boolean {
  return header.readUInt32LE(0) === MAGIC_MICROSECONDS && header.readUInt32LE(20) === LINKTYPE_ETHERNET;
}

async function copyWhole(source: string, target: string): Promise<void> {
  await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const handle = await open(target, 'r+');
  try {
    await handle.chmod(0o640);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function write(target: string, work: (to: FileHandle) => Promise<void>): Promise<void> {
  const to = await open(target, 'wx', 0o640);
  try {
    await work(to);
    await to.sync();
  } finally {
    await to.close();
  }
}

async function copyRecords(from: FileHandle, to: FileHandle): Promise<void> {
  await to.write(fileHeader());
  let rest = Buffer.alloc(0);
  for (let position = FILE_HEADER_BYTES; ; ) {
    const chunk = Buffer.allocUnsafe(rest.length + CHUNK_BYTES);
    chunk.set(rest);
    const { bytesRead } = await from.read(chunk, rest.length, CHUNK_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    const bytes = chunk.subarray(0, rest.length + bytesRead);
    const { records, end } = withoutEthernet(bytes);
    await to.write(Buffer.concat(records));
    rest = Buffer.from(bytes.subarray(end));
  }
}

/** The whole records of `bytes`, and where they end; what cannot be a record ends the capture. */
function withoutEthernet(bytes: Buffer): { records: Buffer[]; end: number } {
  const records: Buffer[] = [];
  let end = 0;
  while (end + RECORD_HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt32LE(end + 8);
    if (length > LARGEST_RECORD) return { records, end: bytes.length };
    const next = end + RECORD_HEADER_BYTES + length;
    if (next > bytes.length) break;
    if (length > ETHERNET_BYTES)
      records.push(shorten(bytes, end), bytes.subarray(end + RECORD_HEADER_BYTES + ETHERNET_BYTES, next));
    end = next;
  }
  return { records, end };
}

/** The header of a record, which is that much shorter now. */
function shorten(bytes: Buffer, at: number): Buffer {
  const header = Buffer.from(bytes.subarray(at, at + RECORD_HEADER_BYTES));
  for (const offset of [8, 12]) header.writeUInt32LE(header.readUInt32LE(offset) - ETHERNET_BYTES, offset);
  return header;
}
