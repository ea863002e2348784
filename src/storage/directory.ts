// A storage in a directory: of another disk, or of another machine that is mounted here.
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { syncPath } from '../sync.ts';
import { unreachable } from './http-exchange.ts';
import type { Store, StoredFile } from './store.ts';

export class DirectoryStore implements Store {
  readonly place: string;
  readonly #ending = new AbortController();

  constructor(directory: string) {
    this.place = directory;
  }

  put(path: string, file: StoredFile): Promise<void> {
    return this.#guard(`writing ${path}`, async () => {
      const target = join(this.place, path);
      const [folder, part] = [dirname(target), `${target}.part`];
      await this.#makeFolder(folder);
      const source = file.open();
      await pipeline(source, createWriteStream(part, { mode: 0o640, flush: true }), {
        signal: this.#ending.signal,
      });
      await rename(part, target);
      await syncPath(folder);
    });
  }

  get(path: string): Promise<Readable | undefined> {
    return this.#guard(`reading ${path}`, async () => {
      const handle = await open(join(this.place, path)).catch((thrown: unknown) => {
        if (systemCode(thrown) === 'ENOENT') return undefined;
        throw thrown;
      });
      return handle?.createReadStream();
    });
  }

  remove(path: string): Promise<void> {
    return this.#guard(`removing ${path}`, async () => {
      await this.#requireRoot();
      await rm(join(this.place, path), { force: true });
    });
  }

  removeFolder(folder: string): Promise<void> {
    return this.#guard(`removing ${folder}`, async () => {
      await this.#requireRoot();
      await rm(join(this.place, folder), { recursive: true, force: true });
    });
  }

  close(): void {
    this.#ending.abort();
  }

  /** The root itself is never made: where it is missing, a disk is not mounted. */
  async #makeFolder(folder: string): Promise<void> {
    await this.#requireRoot();
    await mkdir(folder, { recursive: true, mode: 0o750 });
    for (let at = folder; at.length >= this.place.length; at = dirname(at)) await syncPath(at);
  }

  async #requireRoot(): Promise<void> {
    if (!(await stat(this.place)).isDirectory()) throw new Error('it is not a directory');
  }

  async #guard<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw asStorageError(what, thrown);
    }
  }
}

const OF_THE_FILE = new Set(['EFBIG', 'ENAMETOOLONG', 'EISDIR', 'ENOTDIR']);
const TO_BE_MENDED = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOENT']);

function asStorageError(what: string, thrown: unknown): GrecError {
  if (thrown instanceof GrecError) return thrown;
  const message = `${what}: ${messageOf(thrown)}`;
  const code = systemCode(thrown) ?? '';
  if (OF_THE_FILE.has(code)) return new GrecError('STORAGE_REJECTED', message, { cause: thrown });
  if (!TO_BE_MENDED.has(code)) return unreachable(message);
  const hint = 'look at the directory: is its disk mounted, may grec-procd write there, is there space';
  return new GrecError('STORAGE_REFUSED', message, { hint, cause: thrown });
}
