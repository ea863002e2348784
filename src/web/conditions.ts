// Conditions of requests (RFC 9110 section 13). Pure.

/** Of If-None-Match, whose comparison is weak. */
export function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => ['*', etag].includes(one.trim().replace(/^W\//, '')));
}
