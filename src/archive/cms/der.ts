// DER, as much of it as CMS and certificates need here (ITU-T X.690 sections 8 and 10). Pure.

export const SEQUENCE = 0x30;
export const SET = 0x31;
export const INTEGER = 0x02;
export const OCTET_STRING = 0x04;
export const OBJECT_IDENTIFIER = 0x06;
const NULL = 0x05;

/** Tag and length of a value of so many bytes. */
export function header(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.of(tag, length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.of(tag, 0x80 | bytes.length, ...bytes);
}

export function tagged(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([header(tag, content.length), content]);
}

export const sequence = (...contents: readonly Uint8Array[]) => tagged(SEQUENCE, ...contents);

/** A small whole number. */
export const integer = (value: number) => tagged(INTEGER, Buffer.of(value));

export const none = () => Buffer.of(NULL, 0);

/** @param written such as `1.2.840.113549.1.7.1` */
export function oid(written: string): Buffer {
  const [first = 0, second = 0, ...others] = written.split('.').map(Number);
  const bytes = [first * 40 + second, ...others].flatMap((number) => {
    const digits = [number & 0x7f];
    for (let rest = number >>> 7; rest > 0; rest >>>= 7) digits.unshift(0x80 | (rest & 0x7f));
    return digits;
  });
  return tagged(OBJECT_IDENTIFIER, Buffer.from(bytes));
}

/** A value that was found: its tag, where it begins, and where its content does and ends. */
export interface Found {
  tag: number;
  at: number;
  from: number;
  to: number;
}

/**
 * The value at `at`. Its content may lie behind the end of `bytes`, of which `end` bytes are to come.
 * @throws Error when it is not DER, or does not end within `end`
 */
export function read(bytes: Uint8Array, at: number, end: number = bytes.length): Found {
  const [tag, first] = [bytes[at], bytes[at + 1]];
  if (tag === undefined || first === undefined) throw new Error('it ends too early');
  if ((tag & 0x1f) === 0x1f || first === 0x80) throw new Error('it is not DER');
  const size = first < 0x80 ? 0 : first & 0x7f;
  if (size > 6) throw new Error('it is not DER');
  let length = size === 0 ? first : 0;
  for (let index = 0; index < size; index += 1) {
    const byte = bytes[at + 2 + index];
    if (byte === undefined) throw new Error('it ends too early');
    length = length * 256 + byte;
  }
  const from = at + 2 + size;
  if (from + length > end) throw new Error('it ends too early');
  return { tag, at, from, to: from + length };
}

/** The value at `at`, which must have this tag. @throws Error */
export function expect(bytes: Uint8Array, at: number, tag: number, end?: number): Found {
  const found = read(bytes, at, end);
  if (found.tag !== tag)
    throw new Error(`it has 0x${found.tag.toString(16)} where 0x${tag.toString(16)} must be`);
  return found;
}

/** The values in a value, one behind the other. @throws Error */
export function children(bytes: Uint8Array, { from, to }: Found): Found[] {
  const found: Found[] = [];
  for (let at = from; at < to; at = found.at(-1)?.to ?? to) found.push(read(bytes, at, to));
  return found;
}

/** Tag, length and content. */
export function whole(bytes: Buffer, { at, to }: Found): Buffer {
  return bytes.subarray(at, to);
}
