// A storage that speaks S3, at any endpoint: objects put whole, large ones in parts; each byte is signed for by its SHA-256.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { GrecError, messageOf } from '../errors.ts';
import { EMPTY_PAYLOAD, encodePath, encodeQuery, signed, type ToSign } from './aws-signature.ts';
import {
  type Answer,
  HttpExchange,
  type HttpPlace,
  readText,
  refusalOf,
  unreachable,
} from './http-exchange.ts';
import { readSecret } from './secret.ts';
import type { Range, Store, StoredFile } from './store.ts';

/** Of one object. */
const MOST_PARTS = 10_000;
/** What is read back is what the storage has, not a cache (RFC 9111 section 5.2.1.4). */
const FRESH = { 'cache-control': 'no-cache' };

export interface S3Options extends HttpPlace {
  bucket: string;
  /** Before every key; empty, or with a slash at its end. */
  prefix: string;
  region: string;
  accessKey: string;
  secretKeyFile: string;
  addressing: 'path' | 'virtual-host';
  /** Bytes; what is larger is put in parts of that size, or of a larger one when there would be too many. */
  partSize: number;
}

interface Asked {
  method: string;
  key?: string;
  query?: ToSign['query'];
  headers?: Record<string, string>;
  body?: Pick<StoredFile, 'size' | 'sha256'> & { open(): Readable };
}

type Told = Answer & { text: string };

export class S3Store implements Store {
  readonly place: string;
  readonly #options: S3Options;
  readonly #http: HttpExchange;
  readonly #host: string;
  /** Before the key. */
  readonly #root: string;

  /** @throws GrecError CONFIG_INVALID */
  constructor(options: S3Options) {
    this.#options = options;
    const { bucket, prefix, addressing } = options;
    const url = new URL(options.url);
    const path = url.pathname.replace(/\/*$/, '/');
    const isPath = addressing === 'path';
    if (!isPath) url.hostname = `${bucket}.${url.hostname}`;
    this.#http = new HttpExchange({ ...options, url: url.origin });
    this.#host = url.host;
    this.#root = isPath ? `${path}${bucket}/` : path;
    this.place = `${url.origin}${this.#root}${prefix}`;
  }

  async put(path: string, file: StoredFile): Promise<void> {
    if (file.size > this.#options.partSize) return this.#putInParts(path, file);
    const headers = { 'x-amz-checksum-sha256': base64Of(file.sha256) };
    await this.#require(`PUT ${path}`, { method: 'PUT', key: path, headers, body: file });
  }

  async get(path: string): Promise<Readable | undefined> {
    const answer = await this.#send({ method: 'GET', key: path, headers: FRESH });
    if (answer.status === 200) return answer.body;
    const text = await readText(answer.body);
    // Without the object; without the bucket it is something else.
    if (answer.status === 404 && codeOf(text) !== 'NoSuchBucket') return undefined;
    throw refusal(`GET ${path}`, { ...answer, text });
  }

  async remove(path: string): Promise<void> {
    const answer = await this.#ask({ method: 'DELETE', key: path });
    const isGone = isSuccess(answer) || (answer.status === 404 && codeOf(answer.text) !== 'NoSuchBucket');
    if (!isGone) throw refusal(`DELETE ${path}`, answer);
  }

  async removeFolder(folder: string, names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.#abandonParts(`${folder}/${name}`);
      await this.remove(`${folder}/${name}`);
    }
  }

  close(): void {
    this.#http.close();
  }

  async #putInParts(path: string, file: StoredFile): Promise<void> {
    await this.#abandonParts(path);
    const begun = await this.#require(`POST ${path}?uploads`, {
      method: 'POST',
      key: path,
      query: [['uploads', '']],
      headers: { 'x-amz-checksum-algorithm': 'SHA256' },
    });
    const upload = elementOf(begun.text, 'UploadId');
    if (upload === undefined) throw unreachable(`POST ${path}?uploads: the answer names no UploadId`);
    const parts: string[] = [];
    for (const [index, range] of partsOf(file.size, this.#options.partSize).entries())
      parts.push(await this.#putPart(path, file, { upload, number: index + 1, range }));
    await this.#complete(path, upload, parts);
  }

  /** @returns how the part is named at the end */
  async #putPart(
    path: string,
    file: StoredFile,
    { upload, number, range }: { upload: string; number: number; range: Range },
  ): Promise<string> {
    // It is read twice, so that no part has to fit into memory.
    const sha256 = await hashOf(file.open(range));
    const answer = await this.#require(`PUT ${path}, part ${number}`, {
      method: 'PUT',
      key: path,
      query: [
        ['partNumber', String(number)],
        ['uploadId', upload],
      ],
      headers: { 'x-amz-checksum-sha256': base64Of(sha256) },
      body: { size: range.last - range.first + 1, sha256, open: () => file.open(range) },
    });
    const { etag } = answer.headers;
    if (etag === undefined) throw unreachable(`PUT ${path}, part ${number}: the answer has no ETag`);
    return `<Part><PartNumber>${number}</PartNumber><ETag>${escaped(etag)}</ETag><ChecksumSHA256>${base64Of(sha256)}</ChecksumSHA256></Part>`;
  }

  async #complete(path: string, upload: string, parts: readonly string[]): Promise<void> {
    const body = bodyOf(
      `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`,
    );
    const what = `POST ${path}?uploadId`;
    const asked = { method: 'POST', key: path, query: [['uploadId', upload]] as const, body };
    const answer = await this.#require(what, asked);
    // It may say 200 first, and fail then.
    const code = codeOf(answer.text);
    if (code !== undefined) throw unreachable(`${what}: ${code}`);
  }

  /** What an upload that was interrupted has left costs money and is of no use. A storage that does not list them has none, or keeps them. */
  async #abandonParts(path: string): Promise<void> {
    const prefix = `${this.#options.prefix}${path}`;
    const query = [
      ['uploads', ''],
      ['prefix', prefix],
    ] as const;
    const answer = await this.#ask({ method: 'GET', query });
    if (!isSuccess(answer)) return;
    for (const [, entry = ''] of answer.text.matchAll(/<Upload>(.*?)<\/Upload>/gs)) {
      const [key, upload] = [elementOf(entry, 'Key'), elementOf(entry, 'UploadId')];
      if (key !== prefix || upload === undefined) continue;
      await this.#ask({ method: 'DELETE', key: path, query: [['uploadId', upload]] });
    }
  }

  async #require(what: string, asked: Asked): Promise<Told> {
    const answer = await this.#ask(asked);
    if (!isSuccess(answer)) throw refusal(what, answer);
    return answer;
  }

  async #ask(asked: Asked): Promise<Told> {
    const answer = await this.#send(asked);
    return { ...answer, text: await readText(answer.body) };
  }

  async #send({ method, key, query = [], headers = {}, body }: Asked): Promise<Answer> {
    const { region, accessKey, secretKeyFile, prefix } = this.#options;
    const secretKey = await readSecret(secretKeyFile);
    const path = this.#root + (key === undefined ? '' : encodePath(`${prefix}${key}`));
    const asked = {
      method,
      path,
      query,
      headers: { ...headers, host: this.#host },
      payload: body?.sha256 ?? EMPTY_PAYLOAD,
      at: Date.now(),
    };
    const whole = query.length === 0 ? path : `${path}?${encodeQuery(query)}`;
    const sent = { method, path: whole, headers: signed({ accessKey, secretKey, region }, asked) };
    return this.#http.send({ ...sent, ...(body && { body }) });
  }
}

/** The ranges of a file's parts. */
export function partsOf(size: number, partSize: number): Range[] {
  const length = Math.max(partSize, Math.ceil(size / MOST_PARTS));
  return Array.from({ length: Math.ceil(size / length) }, (_, index) => {
    return { first: index * length, last: Math.min(size, (index + 1) * length) - 1 };
  });
}

async function hashOf(bytes: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of bytes as AsyncIterable<Buffer>) hash.update(piece);
  return hash.digest('hex');
}

function bodyOf(text: string): NonNullable<Asked['body']> {
  const bytes = Buffer.from(text);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { size: bytes.length, sha256, open: () => Readable.from([bytes]) };
}

function base64Of(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status <= 204;
}

/** The text of the first element of that name: answers of S3 are flat enough. */
function elementOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text?.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, word: keyof typeof ENTITIES) => ENTITIES[word]);
}

const ENTITIES = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' } as const;

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function codeOf(xml: string): string | undefined {
  return xml.includes('<Error>') ? (elementOf(xml, 'Code') ?? 'an error without a code') : undefined;
}

/** With status 400, and yet not of the object. */
const PASSING = new Set(['RequestTimeout', 'IncompleteBody']);
const TO_BE_MENDED =
  /^(Authorization|Expired|InvalidToken|InvalidBucket|NoSuchBucket|IllegalLocation|InvalidAccessKey|InvalidRegion|PermanentRedirect|KMS)/;

function refusal(what: string, answer: Told): GrecError {
  const code = codeOf(answer.text);
  const said = code === undefined ? '' : `${code}: ${elementOf(answer.text, 'Message') ?? ''}`;
  const error = refusalOf(what, answer, said);
  if (code !== undefined && PASSING.has(code)) return unreachable(messageOf(error));
  if (code === undefined || !TO_BE_MENDED.test(code)) return error;
  return new GrecError('STORAGE_REFUSED', error.message, {
    hint: 'look at its bucket, region and keys in the configuration',
  });
}
