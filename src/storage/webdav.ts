// A storage by WebDAV (RFC 4918): a file is put under a temporary name and moved to its own, so that nobody sees half of it.
import type { Readable } from 'node:stream';
import {
  type Answer,
  HttpExchange,
  type HttpPlace,
  readText,
  refusalOf,
  type Sent,
} from './http-exchange.ts';
import { readSecret } from './secret.ts';
import type { Store, StoredFile } from './store.ts';

export interface WebdavOptions extends HttpPlace {
  username?: string | undefined;
  passwordFile?: string | undefined;
}

const MOST_MADE = 100;
/** What is read back is what the storage has, not a cache (RFC 9111 section 5.2.1.4). */
const FRESH = { 'cache-control': 'no-cache' };

type Asked = Omit<Sent, 'path' | 'headers'> & { headers?: Record<string, string> };

export class WebdavStore implements Store {
  readonly place: string;
  readonly #options: WebdavOptions;
  readonly #http: HttpExchange;
  /** The path of its root, with a slash at its end. */
  readonly #root: string;
  /** Folders that are there, as far as is known. */
  readonly #made = new Set<string>();

  /** @throws GrecError CONFIG_INVALID */
  constructor(options: WebdavOptions) {
    this.#options = options;
    this.#http = new HttpExchange(options);
    this.#root = this.#http.origin.pathname.replace(/\/*$/, '/');
    this.place = `${this.#http.origin.origin}${this.#root}`;
  }

  async put(path: string, file: StoredFile): Promise<void> {
    const cut = path.lastIndexOf('/') + 1;
    const [folder, name] = [path.slice(0, cut), path.slice(cut)];
    const part = `${folder}.${name}.part`;
    await this.#makeFolder(folder);
    await this.#require(part, { method: 'PUT', body: file }).catch((thrown: unknown) => {
      this.#made.delete(folder);
      throw thrown;
    });
    // Some servers take no path alone here.
    const destination = new URL(`${this.#root}${path}`, this.#http.origin).href;
    await this.#require(part, { method: 'MOVE', headers: { destination, overwrite: 'T' } });
  }

  async get(path: string): Promise<Readable | undefined> {
    const answer = await this.#http.send(await this.#request(path, { method: 'GET', headers: FRESH }));
    if (answer.status === 200) return answer.body;
    const said = refusalOf(`GET ${path}`, answer);
    await readText(answer.body);
    if (isAbsent(answer)) return undefined;
    throw said;
  }

  async remove(path: string): Promise<void> {
    const answer = await this.#ask(path, { method: 'DELETE' });
    if (!isSuccess(answer) && !isAbsent(answer)) throw refusalOf(`DELETE ${path}`, answer);
  }

  async removeFolder(folder: string): Promise<void> {
    this.#made.delete(`${folder}/`);
    await this.remove(`${folder}/`);
  }

  close(): void {
    this.#http.close();
  }

  /** With those above it: 409 says that one of them is not there (RFC 4918 section 9.3.1). */
  async #makeFolder(folder: string): Promise<void> {
    if (folder === '' || this.#made.has(folder)) return;
    let answer = await this.#ask(folder, { method: 'MKCOL' });
    if (answer.status === 409 && folder.split('/').length > 2) {
      await this.#makeFolder(`${folder.split('/').slice(0, -2).join('/')}/`);
      answer = await this.#ask(folder, { method: 'MKCOL' });
    }
    // 405: it is there; somebody else may just have made it.
    if (!isSuccess(answer) && answer.status !== 405) throw refusalOf(`MKCOL ${folder}`, answer);
    if (this.#made.size >= MOST_MADE) this.#made.clear();
    this.#made.add(folder);
  }

  async #require(path: string, asked: Asked): Promise<void> {
    const answer = await this.#ask(path, asked);
    if (!isSuccess(answer)) throw refusalOf(`${asked.method} ${path}`, answer);
  }

  async #ask(path: string, asked: Asked): Promise<Answer> {
    return this.#http.ask(await this.#request(path, asked));
  }

  async #request(path: string, asked: Asked): Promise<Sent> {
    const { username, passwordFile } = this.#options;
    const headers: Record<string, string> = { ...asked.headers };
    if (username !== undefined && passwordFile !== undefined) {
      const password = await readSecret(passwordFile);
      // RFC 7617 section 2.
      headers['authorization'] = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    }
    return { ...asked, path: `${this.#root}${path}`, headers };
  }
}

/** 207 tells of several resources, and of one that failed (RFC 4918 section 9.6.1). */
function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status <= 204;
}

function isAbsent({ status }: Answer): boolean {
  return status === 404 || status === 410;
}
