// The typed fields of an ng dictionary: what a key must hold, and under which spellings it comes.
import { isUtf8 } from 'node:buffer';
import type { BencodeDict, BencodeValue } from './bencode.ts';

/** `?` marks a field that may be missing. */
export type FieldKind = 'text' | 'text?' | 'texts?' | 'integer?' | 'lists?' | 'bytes?';
export type Fields = Readonly<Record<string, FieldKind>>;
export type FieldValues = Record<string, string | number | string[] | Record<string, string[]> | Buffer>;

/**
 * The wanted fields of a dictionary. A key may be spelt with spaces or hyphens (`received from`, `received-from`), as
 * rtpengine allows; an integer may come as digits and a list of texts as a single one, as some controllers send them.
 */
export function readDictFields(
  dict: BencodeDict,
  fields: Fields,
): { ok: true; values: FieldValues } | { ok: false; reason: string } {
  const values: FieldValues = {};
  for (const [name, kind] of Object.entries(fields)) {
    const raw = dict[name] ?? dict[name.replaceAll('-', ' ')] ?? dict[name.replaceAll(' ', '-')];
    if (raw === undefined) {
      if (!kind.endsWith('?')) return { ok: false, reason: `no ${name}` };
      continue;
    }
    const value = readField(raw, kind);
    if (value === undefined) return { ok: false, reason: `${name} is not ${EXPECTED[kind]}` };
    values[name] = value;
  }
  return { ok: true, values };
}

const EXPECTED: Record<FieldKind, string> = {
  text: 'a string',
  'text?': 'a string',
  'texts?': 'a list of strings',
  'integer?': 'a whole number from 0',
  'lists?': 'a dictionary of lists of strings',
  'bytes?': 'a string',
};

function readField(raw: BencodeValue, kind: FieldKind): FieldValues[string] | undefined {
  if (kind === 'bytes?') return Buffer.isBuffer(raw) ? raw : undefined;
  if (kind === 'lists?') return readLists(raw);
  if (kind === 'integer?') return readInteger(raw);
  if (kind === 'texts?') return readTexts(raw);
  return Buffer.isBuffer(raw) ? textOf(raw) : undefined;
}

function readInteger(raw: BencodeValue): number | undefined {
  const digits = Buffer.isBuffer(raw) ? raw.toString('latin1') : '';
  const value = /^[0-9]{1,9}$/.test(digits) ? Number(digits) : raw;
  return typeof value === 'number' && value >= 0 ? value : undefined;
}

function readLists(raw: BencodeValue): Record<string, string[]> | undefined {
  if (typeof raw === 'number' || Buffer.isBuffer(raw) || Array.isArray(raw)) return undefined;
  const lists: Record<string, string[]> = Object.create(null);
  for (const [name, value] of Object.entries(raw)) {
    const texts = readTexts(value);
    if (texts === undefined) return undefined;
    lists[name] = texts;
  }
  return lists;
}

function readTexts(raw: BencodeValue): string[] | undefined {
  if (Buffer.isBuffer(raw)) return [textOf(raw)];
  if (!Array.isArray(raw)) return undefined;
  const texts = raw.filter((entry) => Buffer.isBuffer(entry)).map(textOf);
  return texts.length === raw.length ? texts : undefined;
}

/** Bytes as text: UTF-8, or Latin-1 when they are none, so that nothing is lost. */
export function textOf(bytes: Buffer): string {
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}
