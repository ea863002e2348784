// AWS Signature Version 4 of one request to S3, in its headers ("Authenticating Requests: Using the Authorization Header").
import { createHash, createHmac } from 'node:crypto';

export interface SigningKey {
  accessKey: string;
  secretKey: string;
  region: string;
}

export interface ToSign {
  method: string;
  /** As it stands on the wire, encoded once: S3 does not encode it again. */
  path: string;
  /** Decoded names and values. */
  query: readonly (readonly [string, string])[];
  /** All of them are signed; names in lower case, `host` among them. */
  headers: Record<string, string>;
  /** SHA-256 of the body in lower-case hex. */
  payload: string;
  /** Milliseconds since 1970. */
  at: number;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
export const EMPTY_PAYLOAD = createHash('sha256').digest('hex');

/** The headers that make it a signed request, those that were given among them. */
export function signed({ accessKey, secretKey, region }: SigningKey, asked: ToSign): Record<string, string> {
  const time = new Date(asked.at).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const headers = { ...asked.headers, 'x-amz-content-sha256': asked.payload, 'x-amz-date': time };
  const names = Object.keys(headers).sort();
  const signedHeaders = names.join(';');
  const canonical = [
    asked.method,
    asked.path,
    encodeQuery(asked.query),
    ...Object.entries(headers)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, value]) => `${name}:${value.trim().replaceAll(/\s+/g, ' ')}`),
    '',
    signedHeaders,
    asked.payload,
  ].join('\n');
  const scope = [time.slice(0, 8), region, 's3', 'aws4_request'];
  const toSign = [
    ALGORITHM,
    time,
    scope.join('/'),
    createHash('sha256').update(canonical).digest('hex'),
  ].join('\n');
  const key = scope.reduce<string | Buffer>((sofar, part) => hmac(sofar, part), `AWS4${secretKey}`);
  const signature = hmac(key, toSign).toString('hex');
  const authorization = `${ALGORITHM} Credential=${accessKey}/${scope.join('/')},SignedHeaders=${signedHeaders},Signature=${signature}`;
  return { ...headers, authorization };
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** The query as it stands on the wire and is signed: sorted by name, each part encoded. */
export function encodeQuery(query: ToSign['query']): string {
  return query
    .map(([name, value]) => [encodePart(name), encodePart(value)] as const)
    .sort(([one, first], [other, second]) => (one < other || (one === other && first < second) ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** A path as it stands on the wire. */
export function encodePath(path: string): string {
  return path.split('/').map(encodePart).join('/');
}

/** All but the unreserved characters of RFC 3986 section 2.3. */
function encodePart(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}
