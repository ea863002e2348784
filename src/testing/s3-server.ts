// An S3 server for tests: objects in memory, put whole or in parts. It believes nothing: signature, payload hash, checksums and
// times are computed here, apart from any client's code.
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** All parts but the last one have so many bytes at least. */
const SMALLEST_PART = 5 << 20;
const LONGEST_SKEW_MS = 900_000;

export interface S3ServerOptions {
  bucket: string;
  accessKey: string;
  secretKey: string;
  region: string;
  /** Bytes of all objects; what does not fit is refused with 507. */
  capacity?: number;
  /** Says before anything else what becomes of a request; true: it has answered. */
  meddle?: (asked: S3Asked, response: ServerResponse) => boolean;
}

export interface S3Asked {
  method: string;
  key: string;
  query: URLSearchParams;
  body: Buffer;
}

interface Multipart {
  key: string;
  parts: Map<number, Buffer>;
}

/** What went wrong, as the code of S3. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, code: string) {
    super(code);
    this.status = status;
  }
}

export class S3Server {
  readonly objects = new Map<string, Buffer>();
  readonly uploads = new Map<string, Multipart>();
  /** Method and key of each request. */
  readonly asked: string[] = [];
  meddle: S3ServerOptions['meddle'];
  readonly #options: S3ServerOptions;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  constructor(options: S3ServerOptions) {
    this.#options = options;
    this.meddle = options.meddle;
  }

  /** @returns its address */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    try {
      for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    } catch {
      return;
    }
    const body = Buffer.concat(pieces);
    const { method = '', url = '/' } = request;
    const [path = '', search = ''] = url.split('?');
    try {
      const asked = { method, key: this.#keyOf(path), query: new URLSearchParams(search), body };
      this.asked.push(`${method} ${asked.key}`);
      if (this.meddle?.(asked, response)) return;
      this.#authenticate(request, path, search, body);
      this.#serve(asked, response);
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      const text = `<?xml version="1.0"?><Error><Code>${thrown.message}</Code><Message>as the test wants it</Message></Error>`;
      response.writeHead(thrown.status, { 'content-type': 'application/xml' }).end(text);
    }
  }

  #keyOf(path: string): string {
    const [, bucket = '', ...key] = path.split('/').map(decodeURIComponent);
    if (bucket !== this.#options.bucket) throw new Refusal(404, 'NoSuchBucket');
    return key.join('/');
  }

  #authenticate(request: IncomingMessage, path: string, search: string, body: Buffer): void {
    const { headers } = request;
    const fields =
      /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
        headers.authorization ?? '',
      );
    const [, accessKey, scope = '', names = '', signature] = fields ?? [];
    if (fields === null) throw new Refusal(403, 'AccessDenied');
    if (accessKey !== this.#options.accessKey) throw new Refusal(403, 'InvalidAccessKeyId');
    const date = String(headers['x-amz-date']);
    const payload = String(headers['x-amz-content-sha256']);
    for (const name of ['host', 'x-amz-date', 'x-amz-content-sha256'])
      if (!names.split(';').includes(name)) throw new Refusal(403, 'AccessDenied');
    const lines = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}`);
    const query =
      search === ''
        ? ''
        : search
            .split('&')
            .map((one) => (one.includes('=') ? one : `${one}=`))
            .sort()
            .join('&');
    const canonical = [request.method, path, query, ...lines, '', names, payload].join('\n');
    const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
    if (mac(this.#signingKey(date), toSign).toString('hex') !== signature)
      throw new Refusal(403, 'SignatureDoesNotMatch');
    if (scope !== `${date.slice(0, 8)}/${this.#options.region}/s3/aws4_request`)
      throw new Refusal(400, 'AuthorizationHeaderMalformed');
    if (Math.abs(timeOf(date) - Date.now()) > LONGEST_SKEW_MS) throw new Refusal(403, 'RequestTimeTooSkewed');
    if (sha256(body) !== payload) throw new Refusal(400, 'XAmzContentSHA256Mismatch');
    requireChecksums(headers, body);
  }

  #signingKey(date: string): Buffer {
    const { secretKey, region } = this.#options;
    const ofDay = mac(Buffer.from(`AWS4${secretKey}`), date.slice(0, 8));
    return mac(mac(mac(ofDay, region), 's3'), 'aws4_request');
  }

  #serve(asked: S3Asked, response: ServerResponse): void {
    const { method, key, query, body } = asked;
    const upload = query.get('uploadId');
    if (query.has('uploads'))
      return method === 'POST' ? this.#begin(key, response) : this.#list(query, response);
    if (upload !== null) return this.#servePart(asked, upload, response);
    const found = this.objects.get(key);
    if (method === 'PUT') {
      this.#keep(key, body);
      response.writeHead(200, { etag: etagOf(body) }).end();
    } else if (method === 'DELETE') {
      this.objects.delete(key);
      response.writeHead(204).end();
    } else if (found === undefined) throw new Refusal(404, 'NoSuchKey');
    else
      response.writeHead(200, { 'content-length': found.length }).end(method === 'HEAD' ? undefined : found);
  }

  #servePart({ method, key, query, body }: S3Asked, upload: string, response: ServerResponse): void {
    const multipart = this.uploads.get(upload);
    if (multipart === undefined || multipart.key !== key) throw new Refusal(404, 'NoSuchUpload');
    if (method === 'PUT') {
      multipart.parts.set(Number(query.get('partNumber')), body);
      response.writeHead(200, { etag: etagOf(body) }).end();
    } else if (method === 'DELETE') {
      this.uploads.delete(upload);
      response.writeHead(204).end();
    } else this.#complete(multipart, upload, body.toString(), response);
  }

  #begin(key: string, response: ServerResponse): void {
    const id = randomUUID();
    this.uploads.set(id, { key, parts: new Map() });
    answerXml(
      response,
      `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
    );
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const found = [...this.uploads].filter(([, { key }]) => key.startsWith(query.get('prefix') ?? ''));
    const entries = found.map(
      ([id, { key }]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`,
    );
    answerXml(response, `<ListMultipartUploadsResult>${entries.join('')}</ListMultipartUploadsResult>`);
  }

  #complete({ key, parts }: Multipart, upload: string, xml: string, response: ServerResponse): void {
    const named = [...xml.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => part);
    const bytes = named.map((part, index) => {
      const found = parts.get(Number(/<PartNumber>(\d+)</.exec(part)?.[1]));
      const etag = /<ETag>([^<]*)</.exec(part)?.[1]?.replaceAll('&quot;', '"');
      if (found === undefined || etag !== etagOf(found)) throw new Refusal(400, 'InvalidPart');
      if (index < named.length - 1 && found.length < SMALLEST_PART) throw new Refusal(400, 'EntityTooSmall');
      const checksum = /<ChecksumSHA256>([^<]*)</.exec(part)?.[1];
      if (checksum !== undefined && checksum !== sha256(found, 'base64'))
        throw new Refusal(400, 'InvalidPart');
      return found;
    });
    this.#keep(key, Buffer.concat(bytes));
    this.uploads.delete(upload);
    answerXml(response, `<CompleteMultipartUploadResult><Key>${key}</Key></CompleteMultipartUploadResult>`);
  }

  #keep(key: string, body: Buffer): void {
    const used = [...this.objects.values()].reduce((sum, { length }) => sum + length, 0);
    if (used + body.length > (this.#options.capacity ?? Number.POSITIVE_INFINITY))
      throw new Refusal(507, 'InsufficientStorage');
    this.objects.set(key, body);
  }
}

function requireChecksums(headers: IncomingMessage['headers'], body: Buffer): void {
  const checksum = headers['x-amz-checksum-sha256'];
  if (checksum !== undefined && checksum !== sha256(body, 'base64')) throw new Refusal(400, 'BadDigest');
  const md5 = headers['content-md5'];
  if (md5 !== undefined && md5 !== createHash('md5').update(body).digest('base64'))
    throw new Refusal(400, 'BadDigest');
}

function answerXml(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?>${text}`);
}

function timeOf(date: string): number {
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function etagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

function sha256(bytes: string | Buffer, encoding: 'hex' | 'base64' = 'hex'): string {
  return createHash('sha256').update(bytes).digest(encoding);
}

function mac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
