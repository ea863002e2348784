// What verification finds: one thing that is wrong, for a person and for a program.

export const FINDING_CODES = [
  'file-missing',
  'file-size',
  'file-changed',
  'file-unknown',
  'file-unreadable',
  'file-unopened',
  'manifest-missing',
  'manifest-invalid',
  'signature-missing',
  'signature-wrong',
  'key-missing',
  'key-wrong',
  'key-untrusted',
  'unsigned',
  'misplaced',
  'stranger',
  'act-invalid',
  'act-missing',
  'recording-deleted',
  'recording-missing',
  'link-missing',
  'link-broken',
  'link-double',
  'links-damaged',
  'links-missing',
] as const;
export type FindingCode = (typeof FINDING_CODES)[number];

/** Bytes of a file, counted from 0, both ends included. */
export interface ByteRange {
  first: number;
  last: number;
}

export interface Finding {
  code: FindingCode;
  /** In words, without the recording and the file. */
  message: string;
  /** The recording, where it is of one. */
  id?: string;
  /** A directory of the archive, or a file of its own, relative to it. */
  path?: string;
  /** In that directory. */
  file?: string;
  /** Where the file differs, as narrowly as the manifest's blocks tell. */
  ranges?: ByteRange[];
  /** The number of the link. */
  sequence?: number;
}
