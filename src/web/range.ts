// Which bytes of a file are asked for (RFC 9110 section 14): one range; of several the whole is given, as a server may.

export interface ByteRange {
  first: number;
  /** Included. */
  last: number;
}

/** Undefined: the whole; null: there are no such bytes. */
export function readRange(header: string | undefined, size: number): ByteRange | undefined | null {
  const [, from = '', to = ''] =
    /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.replaceAll(' ', '') ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '')
    return Number(to) === 0 || size === 0 ? null : { first: Math.max(0, size - Number(to)), last: size - 1 };
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return undefined;
  return first >= size ? null : { first, last };
}
