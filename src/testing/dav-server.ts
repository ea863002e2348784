// A WebDAV server for tests (RFC 4918): files in memory, as strict as real ones about folders, and as bad as a test wants it.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface DavServerOptions {
  /** Sees each request before it is answered, its body unread; true: it has answered, or will. */
  meddle?: (
    asked: { method: string; path: string },
    request: IncomingMessage,
    response: ServerResponse,
  ) => boolean | Promise<boolean>;
}

export class DavServer {
  /** By path. */
  readonly files = new Map<string, Buffer>();
  readonly folders = new Set(['/']);
  /** Method and path of each request. */
  readonly asked: string[] = [];
  meddle: DavServerOptions['meddle'];
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  constructor({ meddle }: DavServerOptions = {}) {
    this.meddle = meddle;
  }

  /** @returns its address, with a slash at its end */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '/' } = request;
    const path = decodeURIComponent(url);
    this.asked.push(`${method} ${path}`);
    if (await this.meddle?.({ method, path }, request, response)) return;
    const body = await readBody(request);
    if (body === undefined) return;
    const found = this.files.get(path);
    if (method === 'GET' && found !== undefined) {
      response.writeHead(200, { 'content-length': found.length }).end(found);
      return;
    }
    response.writeHead(this.#statusOf(method, path, body, request)).end();
  }

  #statusOf(method: string, path: string, body: Buffer, { headers }: IncomingMessage): number {
    if (method === 'PUT') return this.#put(path, body);
    if (method === 'MKCOL') return this.#makeFolder(path);
    if (method === 'DELETE') return this.#remove(path);
    if (method !== 'MOVE') return method === 'GET' ? 404 : 405;
    const target = URL.parse(String(headers['destination']));
    const moved = this.files.get(path);
    if (target === null) return 400;
    if (moved === undefined) return 404;
    this.files.delete(path);
    return this.#put(decodeURIComponent(target.pathname), moved);
  }

  #put(path: string, body: Buffer): number {
    if (!this.folders.has(folderOf(path))) return 409;
    const isNew = !this.files.has(path);
    this.files.set(path, body);
    return isNew ? 201 : 204;
  }

  #makeFolder(path: string): number {
    if (this.folders.has(path)) return 405;
    if (!this.folders.has(folderOf(path.slice(0, -1)))) return 409;
    this.folders.add(path);
    return 201;
  }

  #remove(path: string): number {
    const names = [...this.files.keys(), ...this.folders].filter(
      (name) => name === path || (path.endsWith('/') && name.startsWith(path)),
    );
    for (const name of names) {
      this.files.delete(name);
      this.folders.delete(name);
    }
    return names.length > 0 ? 204 : 404;
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

/** Undefined when the client has broken off. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    return Buffer.concat(pieces);
  } catch {
    return undefined;
  }
}
