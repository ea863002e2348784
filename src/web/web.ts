// Web Services: what routes work with, and the life of the daemon. It reads the catalog and asks the other daemons; nothing waits for it.
import { readFileSync, statSync } from 'node:fs';
import { auditLog, type Note } from '../audit/by-daemon.ts';
import type { Caller } from '../caller.ts';
import { type CatalogReader, openCatalogReader } from '../catalog/catalog.ts';
import type { Config } from '../config.ts';
import { askDaemon, type DaemonName, socketOf } from '../control.ts';
import type { DaemonContext, RunningDaemon } from '../daemon.ts';
import { GrecError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { AccessStore } from './access/store.ts';
import { allRoutes } from './routes/all.ts';
import { createWebServer, type WebServer } from './server.ts';

export interface Web {
  config: Config;
  log: Logger;
  store: AccessStore;
  /** Into the audit log. @throws GrecError AUDIT_UNWRITABLE */
  note: Note;
  /** @throws GrecError CATALOG_UNUSABLE */
  catalog(): CatalogReader;
  /** For whoever asks us. @throws GrecError as askDaemon does */
  ask<T>(daemon: DaemonName, asked: Question): Promise<T>;
}

export interface Question {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: unknown;
  by: Caller;
  timeoutMs?: number;
}

/** The catalog may not be there yet, and may be made anew while we run. */
class CatalogDoor {
  readonly #file: string;
  #open: { reader: CatalogReader; identity: string } | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  get(): CatalogReader {
    const found = statSync(this.#file, { throwIfNoEntry: false });
    const identity = found === undefined ? '' : `${found.dev} ${found.ino}`;
    if (this.#open?.identity !== identity) this.close();
    this.#open ??= { reader: openCatalogReader(this.#file), identity };
    return this.#open.reader;
  }

  close(): void {
    this.#open?.reader.close();
    this.#open = undefined;
  }
}

export function openWeb({ config, log }: DaemonContext): Web & { close(): void } {
  const door = new CatalogDoor(config.paths.catalog);
  const store = new AccessStore(config.paths.webDb);
  return {
    config,
    log,
    store,
    note: auditLog(config.paths.audit),
    catalog: () => door.get(),
    ask: (daemon, { method, path, body, by, timeoutMs }) =>
      askDaemon(daemon, socketOf(config, daemon), method, path, body, timeoutMs, by),
    close: () => {
      door.close();
      store.close();
    },
  };
}

/** @throws GrecError STATE_UNUSABLE, PORT_IN_USE, PORT_UNUSABLE, TLS_UNUSABLE */
export async function startWeb(context: DaemonContext): Promise<RunningDaemon> {
  const { config, log } = context;
  const web = openWeb(context);
  let server: WebServer;
  try {
    server = await createWebServer(web, allRoutes(web), readTls(config));
    await listen(server, config);
  } catch (thrown) {
    web.close();
    throw thrown;
  }
  if (web.store.users().length === 0)
    log.warn(
      { hint: 'make one: `grec user add NAME --role admin`' },
      'there is no user yet: nobody is let in',
    );
  return {
    status: () => ({
      listen: server.address(),
      tls: config.paths.webTls !== undefined,
      users: web.store.users().length,
      ...server.counts(),
    }),
    reload: (next) => {
      const tls = readTls(next);
      if (tls !== undefined) server.useTls(tls);
    },
    stop: async () => {
      await server.close();
      web.close();
    },
  };
}

async function listen(server: WebServer, { web: { listen: place } }: Config): Promise<void> {
  try {
    await server.listen(place);
  } catch (thrown) {
    const isTaken = thrown instanceof Error && 'code' in thrown && thrown.code === 'EADDRINUSE';
    await server.close();
    throw new GrecError(
      isTaken ? 'PORT_IN_USE' : 'PORT_UNUSABLE',
      `cannot listen on ${place.host}, TCP port ${place.port}: ${messageOf(thrown)}`,
      { hint: 'set another [web] listen, or stop what uses it', cause: thrown },
    );
  }
}

export interface Tls {
  cert: Buffer;
  key: Buffer;
}

/** @throws GrecError TLS_UNUSABLE */
function readTls({ paths: { webTls } }: Config): Tls | undefined {
  if (webTls === undefined) return undefined;
  try {
    return { cert: readFileSync(webTls.certificate), key: readFileSync(webTls.key) };
  } catch (thrown) {
    throw new GrecError('TLS_UNUSABLE', `cannot read a file of [web]: ${messageOf(thrown)}`, {
      hint: 'certificate and key are PEM files, readable by the user of the daemons',
      cause: thrown,
    });
  }
}
