// Bencode, as the ng protocol uses it: strings, integers, lists, dictionaries (keys in any order, as rtpengine sends them).

/** A decoded value. Strings are bytes and share memory with what was decoded. */
export type BencodeValue = Buffer | number | BencodeValue[] | BencodeDict;

/** A decoded dictionary: without a prototype, so that no key is special. */
export interface BencodeDict {
  [key: string]: BencodeValue;
}

/** What can be encoded. Dictionary keys whose value is undefined are left out. */
export type Bencodable = string | Buffer | number | readonly Bencodable[] | BencodableDict;

export interface BencodableDict {
  readonly [key: string]: Bencodable | undefined;
}

export type Bdecoded = { ok: true; value: BencodeValue } | { ok: false; reason: string };

const DEEPEST = 16;
const LARGEST_BYTES = 64 * 1024;
/** Of an integer with its sign, and of a string's length: more is beyond every limit here. */
const MOST_DIGITS = 17;

const LETTER_D = 0x64;
const LETTER_E = 0x65;
const LETTER_I = 0x69;
const LETTER_L = 0x6c;
const COLON = 0x3a;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

interface Reader {
  readonly bytes: Buffer;
  at: number;
  /** Why reading ended early; set once. */
  reason: string | undefined;
}

/**
 * Decodes exactly one value of at most 64 KiB and 16 levels. Refused with a reason: leading zeros, minus zero, integers
 * beyond 2^53, keys that stand twice, keys that are no strings, what is cut short, bytes after the end.
 */
export function decodeBencode(bytes: Buffer): Bdecoded {
  if (bytes.length > LARGEST_BYTES) return { ok: false, reason: `over ${LARGEST_BYTES} bytes` };
  const reader: Reader = { bytes, at: 0, reason: undefined };
  const value = readValue(reader, 0);
  if (value !== undefined && reader.at !== bytes.length) fail(reader, 'bytes after the end');
  if (value === undefined || reader.reason !== undefined) {
    return { ok: false, reason: reader.reason ?? 'not bencode' };
  }
  return { ok: true, value };
}

function fail(reader: Reader, problem: string): undefined {
  reader.reason ??= `byte ${reader.at}: ${problem}`;
  return undefined;
}

function readValue(reader: Reader, depth: number): BencodeValue | undefined {
  if (depth > DEEPEST) return fail(reader, `over ${DEEPEST} levels`);
  switch (reader.bytes[reader.at]) {
    case undefined:
      return fail(reader, 'cut short');
    case LETTER_I:
      reader.at++;
      return readNumber(reader, LETTER_E, /^(?:0|-?[1-9][0-9]*)$/);
    case LETTER_L:
      reader.at++;
      return readList(reader, depth);
    case LETTER_D:
      reader.at++;
      return readDict(reader, depth);
    default:
      return readString(reader);
  }
}

/** Digits up to `end`, which is passed over. */
function readNumber(reader: Reader, end: number, form: RegExp): number | undefined {
  const limit = Math.min(reader.bytes.length, reader.at + MOST_DIGITS + 1);
  let stop = reader.at;
  while (stop < limit && reader.bytes[stop] !== end) stop++;
  if (stop === limit) return fail(reader, 'a number without its end');
  const text = reader.bytes.toString('latin1', reader.at, stop);
  if (!form.test(text) || !Number.isSafeInteger(Number(text))) return fail(reader, 'not a number');
  reader.at = stop + 1;
  return Number(text);
}

function readString(reader: Reader): Buffer | undefined {
  const first = reader.bytes[reader.at] ?? 0;
  if (first < DIGIT_0 || first > DIGIT_9) return fail(reader, 'neither string, integer, list nor dictionary');
  const length = readNumber(reader, COLON, /^(?:0|[1-9][0-9]*)$/);
  if (length === undefined) return undefined;
  if (length > reader.bytes.length - reader.at) return fail(reader, 'a string longer than what is there');
  reader.at += length;
  return reader.bytes.subarray(reader.at - length, reader.at);
}

function readList(reader: Reader, depth: number): BencodeValue[] | undefined {
  const list: BencodeValue[] = [];
  while (reader.bytes[reader.at] !== LETTER_E) {
    const value = readValue(reader, depth + 1);
    if (value === undefined) return undefined;
    list.push(value);
  }
  reader.at++;
  return list;
}

function readDict(reader: Reader, depth: number): BencodeDict | undefined {
  const dict: BencodeDict = Object.create(null);
  while (reader.bytes[reader.at] !== LETTER_E) {
    const key = readString(reader)?.toString('utf8');
    if (key === undefined) return undefined;
    if (key in dict) return fail(reader, 'a key that stands twice');
    const value = readValue(reader, depth + 1);
    if (value === undefined) return undefined;
    dict[key] = value;
  }
  reader.at++;
  return dict;
}

/**
 * Encodes a value; text as UTF-8, dictionaries in the order of their keys as given.
 * @throws RangeError for a number that is no safe integer: a mistake of the caller, not of a peer
 */
export function encodeBencode(value: Bencodable): Buffer {
  const chunks: Buffer[] = [];
  write(chunks, value);
  return Buffer.concat(chunks);
}

function write(chunks: Buffer[], value: Bencodable): void {
  if (typeof value === 'number') return writeInteger(chunks, value);
  if (typeof value === 'string') return writeString(chunks, Buffer.from(value));
  if (Buffer.isBuffer(value)) return writeString(chunks, value);
  if (isList(value)) return writeList(chunks, value);
  chunks.push(Buffer.from('d'));
  for (const [key, entry] of Object.entries(value)) {
    if (entry === undefined) continue;
    writeString(chunks, Buffer.from(key));
    write(chunks, entry);
  }
  chunks.push(Buffer.from('e'));
}

function isList(value: readonly Bencodable[] | BencodableDict): value is readonly Bencodable[] {
  return Array.isArray(value);
}

function writeInteger(chunks: Buffer[], value: number): void {
  if (!Number.isSafeInteger(value)) throw new RangeError(`bencode has no ${value}`);
  chunks.push(Buffer.from(`i${value}e`));
}

function writeString(chunks: Buffer[], bytes: Buffer): void {
  chunks.push(Buffer.from(`${bytes.length}:`), bytes);
}

function writeList(chunks: Buffer[], list: readonly Bencodable[]): void {
  chunks.push(Buffer.from('l'));
  for (const entry of list) write(chunks, entry);
  chunks.push(Buffer.from('e'));
}
