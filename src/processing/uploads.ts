// Copies of recordings in the storages that are configured: which are to be made, and what is asked of storages.
import { randomBytes, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Note } from '../audit/by-daemon.ts';
import { ofDaemon } from '../audit/by-daemon.ts';
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { UploadRow } from '../catalog/uploads.ts';
import type { Config, StorageConfig } from '../config.ts';
import { DEFAULT_CLASS } from '../config-retention.ts';
import type { ControlRequest, ControlRoutes } from '../control.ts';
import { GrecError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { openStore, takes } from '../storage/open-store.ts';
import { probe } from '../storage/probe.ts';
import { FailedUploads } from './failed-uploads.ts';
import { StorageQueue } from './storage-queue.ts';

/** Recordings that are looked at in one round. */
const AT_ONCE = 500;
const FIRST_PAUSE_MS = 5_000;

export interface UploadsOptions {
  config: Pick<Config, 'storage' | 'paths'>;
  catalog: CatalogWriter;
  log: Logger;
  /** Into the audit log. */
  note: Note;
  /** Milliseconds since 1970. */
  now(): number;
  firstPauseMs?: number;
}

export class Uploads {
  /** Copies that have failed for good. */
  readonly failed: FailedUploads;
  readonly #options: UploadsOptions;
  #storages: readonly StorageConfig[];
  #queues: StorageQueue[];

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.failed = new FailedUploads({ catalog: options.catalog, round: () => this.round() });
    this.#storages = options.config.storage;
    this.#queues = this.#storages.map((one) => this.#open(one));
  }

  #open(config: StorageConfig): StorageQueue {
    const { config: site, catalog, log, now, firstPauseMs = FIRST_PAUSE_MS } = this.#options;
    const { archive } = site.paths;
    const onRemoved = (row: UploadRow) => this.#noteRemoved(row);
    return new StorageQueue({ config, archive, catalog, log, now, firstPauseMs, onRemoved });
  }

  /** From now on these are the storages: when one is another than before, all that is under way begins again. */
  async use(storages: readonly StorageConfig[]): Promise<void> {
    if (isDeepStrictEqual(storages, this.#storages)) return;
    const before = this.#queues;
    this.#queues = [];
    await Promise.all(before.map((queue) => queue.stop()));
    this.#storages = storages;
    this.#queues = storages.map((one) => this.#open(one));
    this.register();
  }

  get routes(): ControlRoutes {
    return { 'POST /storage/:name/test': (request) => this.test(request) };
  }

  /** Copies under way. */
  get active(): number {
    return this.#queues.reduce((sum, { active }) => sum + active, 0);
  }

  /** Tells the catalog which storages there are; again for one that has taken the place of another. */
  register(): void {
    this.#options.catalog.uploads.use(this.#queues.map(({ name }) => name));
  }

  /** Looks which recordings have changed, and starts what is due. @throws GrecError CATALOG_UNUSABLE */
  round(): void {
    if (this.#queues.length === 0) return;
    this.#takeChanges();
    for (const queue of this.#queues) queue.start();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.idle()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.stop()));
  }

  status(): { waiting: number; failed: number } | undefined {
    if (this.#queues.length === 0) return undefined;
    const { uploads } = this.#options.catalog;
    const sum = (state: 'waiting' | 'failed') =>
      this.#queues.reduce((total, { name }) => total + uploads.count(name, state), 0);
    return { waiting: sum('waiting'), failed: sum('failed') };
  }

  /** @throws GrecError STORAGE_UNKNOWN, and what the storage says */
  async test({ params }: ControlRequest): Promise<{ name: string; place: string; ms: number }> {
    const { name = '' } = params;
    const config = this.#storages.find((one) => one.name === name);
    if (config === undefined)
      throw new GrecError('STORAGE_UNKNOWN', `grec-procd knows no storage ${JSON.stringify(name)}`, {
        hint: '`grec storage` lists those of the configuration; grec-procd has read it when it started, and reads it again at SIGHUP',
      });
    const store = openStore(config);
    const begun = performance.now();
    try {
      await probe(store, `grec-probe-${randomUUID()}`, randomBytes(1000));
      return { name, place: store.place, ms: Math.round(performance.now() - begun) };
    } finally {
      store.close();
    }
  }

  #takeChanges(): void {
    const { catalog, now } = this.#options;
    const changed = catalog.uploads.changed(AT_ONCE);
    if (changed.length === 0) return;
    catalog.transaction(() => {
      for (const { id, path, retention, dn } of changed) {
        const row = { retention: retention || DEFAULT_CLASS, dn };
        const isThere = path !== null && catalog.deleted(id) === undefined;
        const wanted = isThere ? this.#storages.filter((one) => takes(one, row)) : [];
        for (const { name } of wanted) catalog.uploads.queue(id, name, path ?? '', now());
        // One that has become part of another one has left a pointer, which is to stand there too.
        if (path === null)
          for (const copy of catalog.uploads.of(id))
            catalog.uploads.queue(id, copy.storage, copy.path, now());
        catalog.uploads.settle(id);
      }
    });
  }

  async #noteRemoved({ recording, storage }: UploadRow): Promise<void> {
    const entry = { what: 'delete-copy' as const, recording, details: { storage } };
    await this.#options.note(ofDaemon('grec-procd'), entry);
  }
}
