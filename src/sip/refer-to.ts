// Where a REFER points: Refer-To, with the headers that the new request is to have (RFC 3515 section 2.1, RFC 5589).
import { parseNameAddr } from './name-addr.ts';
import { parseReplaces, type Replaces } from './replaces.ts';
import { formatUri, parseUri } from './uri.ts';

export interface ReferTarget {
  /** Without headers and method. */
  uri: string;
  /** The method of the request to be made; INVITE unless the URI says another one. */
  method: string;
  /** The dialog that the new call is to take the place of: an attended transfer. */
  replaces: Replaces | undefined;
}

/** Undefined when the header is missing or malformed, names several targets, or holds a Replaces that is malformed. */
export function parseReferTo(header: unknown): ReferTarget | undefined {
  const address = typeof header === 'string' ? parseNameAddr(header) : undefined;
  const uri = address && parseUri(address.uri);
  if (uri === undefined) return undefined;
  const params = Object.assign(Object.create(null), uri.params);
  const method: string = params.method ?? 'INVITE';
  delete params.method;
  const text = headerOf(uri.headers, 'replaces');
  const replaces = text === undefined ? undefined : parseReplaces(text);
  if (text !== undefined && replaces === undefined) return undefined;
  return { uri: formatUri({ ...uri, params, headers: undefined }), method: method.toUpperCase(), replaces };
}

/** The value of a header in a URI, its escapes resolved; undefined when it is not there, '' when it is malformed. */
function headerOf(headers: string | undefined, name: string): string | undefined {
  for (const pair of headers?.split('&') ?? []) {
    const equals = pair.indexOf('=');
    if (pair.slice(0, Math.max(equals, 0)).toLowerCase() !== name) continue;
    try {
      return decodeURIComponent(pair.slice(equals + 1));
    } catch {
      return '';
    }
  }
  return undefined;
}

/** A Refer-To for a URI, with the dialog that is to be replaced. */
export function printReferTo(uri: string, replaces?: string): string {
  return replaces === undefined ? `<${uri}>` : `<${uri}?Replaces=${encodeURIComponent(replaces)}>`;
}
