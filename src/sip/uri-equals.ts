// Equivalence of URIs (RFC 3261 section 19.1.4, RFC 3966 section 5).
import type { Params, Uri } from './message.ts';
import { resolveEscapes } from './uri.ts';

/** Parameters that make two URIs differ even when only one of them has it (RFC 3261 section 19.1.4 and its examples). */
const NEVER_IGNORED = ['user', 'ttl', 'method', 'maddr', 'transport'];

/** Whether two URIs are equivalent (RFC 3261 section 19.1.4; RFC 3966 section 5 for tel). */
export function uriEquals(a: Uri, b: Uri): boolean {
  if (a.scheme !== b.scheme || a.port !== b.port || a.password !== b.password) return false;
  if (a.host.toLowerCase() !== b.host.toLowerCase()) return false;
  const sameUser = a.scheme === 'tel' ? telDigits(a.user) === telDigits(b.user) : a.user === b.user;
  return sameUser && sameParams(a.params, b.params) && uriHeaders(a.headers) === uriHeaders(b.headers);
}

function telDigits(user: string | undefined): string {
  let digits = '';
  for (const character of user ?? '') if (!'-.()'.includes(character)) digits += character.toLowerCase();
  return digits;
}

function sameParams(a: Params, b: Params): boolean {
  for (const name in a) {
    if (name in b ? a[name]?.toLowerCase() !== b[name]?.toLowerCase() : NEVER_IGNORED.includes(name))
      return false;
  }
  for (const name in b) if (!(name in a) && NEVER_IGNORED.includes(name)) return false;
  return true;
}

/** The header components in one order, names in lower case, escapes resolved. */
function uriHeaders(headers: string | undefined): string {
  if (headers === undefined) return '';
  const parts = headers.split('&').map((part) => {
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    return JSON.stringify([
      (resolveEscapes(name) ?? name).toLowerCase(),
      resolveEscapes(part.slice(name.length + 1)) ?? part,
    ]);
  });
  return parts.sort().join('&');
}
