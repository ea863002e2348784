// Web Services over a state directory of a test: a user of each role, with a token, and answers without a socket, each of which has to be as the document says.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type Config, loadConfig } from '../config.ts';
import { silentLogger } from '../log.ts';
import { hashPassword } from './access/passwords.ts';
import type { Right } from './access/rights.ts';
import { hashToken, makeToken, makeTokenId } from './access/tokens.ts';
import { requireDocumented } from './documented-fixture.ts';
import { openApiOf } from './openapi.ts';
import { allRoutes } from './routes/all.ts';
import { createWebServer, type WebServer } from './server.ts';
import { openWeb, type Web } from './web.ts';

export const USERS = ['ann', 'sue', 'root', 'otto'] as const;
export type Name = (typeof USERS)[number];
export const PASSWORD = 'correct horse battery';

/** It takes its time: once is enough. */
let hashed: Promise<string> | undefined;

export interface Services {
  config: Config;
  web: Web;
  server: WebServer;
  token: Record<Name, string>;
  /** A token of `user` with these scopes, good until `expiresAt`. */
  makeToken(user: string, scopes: Right[] | null, expiresAt?: number): string;
  ask(who: Name | null, method: Verb, path: string, more?: More): Promise<Answered>;
}

export type Verb = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'PATCH';

interface More {
  body?: unknown;
  /** As it is, in place of `body`. */
  text?: string;
  headers?: Record<string, string>;
}

export interface Answered {
  status: number;
  headers: Record<string, unknown>;
  body: unknown;
  bytes: Buffer;
}

/**
 * Ann is an agent on 7001, sue supervises /sales, where ann is; root is admin, otto auditor.
 * @param toml lines of [web] @param prepare called before Web Services open
 */
export async function services(
  t: Test,
  { toml = '', prepare }: { toml?: string; prepare?(config: Config): Promise<void> | void } = {},
): Promise<Services> {
  // Sockets have short paths.
  const directory = mkdtempSync(join(tmpdir(), 'grec-web-'));
  writeFileSync(join(directory, 'grec.toml'), `state.directory = "state"\n[web]\n${toml}\n`);
  const config = loadConfig({ file: join(directory, 'grec.toml') });
  await prepare?.(config);
  const web = openWeb({ config, log: silentLogger() });
  const server = await createWebServer(web, allRoutes(web));
  const document = openApiOf(allRoutes(web));
  t.teardown(async () => {
    await server.close();
    web.close();
    rmSync(directory, { recursive: true, force: true });
  });
  hashed ??= hashPassword(PASSWORD);
  const password = await hashed;
  const add = (
    name: Name,
    role: 'agent' | 'supervisor' | 'admin' | 'auditor',
    place: string,
    dns: string[],
  ) => web.store.addUser({ name, role, place, dns, password }, 1);
  add('ann', 'agent', '/sales/north', ['7001']);
  add('sue', 'supervisor', '/sales', []);
  add('root', 'admin', '/', []);
  add('otto', 'auditor', '/', []);
  const giveToken = (user: string, scopes: Right[] | null, expiresAt = Date.now() + 60_000) => {
    const token = makeToken();
    const id = makeTokenId();
    web.store.addToken({ id, user, name: '', scopes, createdAt: 1, expiresAt }, hashToken(token) ?? '');
    return token;
  };
  const token = Object.fromEntries(USERS.map((name) => [name, giveToken(name, null)])) as Record<
    Name,
    string
  >;
  const ask: Services['ask'] = async (who, method, path, { body, text, headers = {} } = {}) => {
    const payload = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const answer = await server.app.inject({
      method,
      url: `/api/v2${path}`,
      headers: {
        ...(who && { authorization: `Bearer ${token[who]}` }),
        ...(payload !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(payload !== undefined && { payload }),
    });
    const isJson = /json/.test(String(answer.headers['content-type'])) && method !== 'HEAD';
    const answered = {
      status: answer.statusCode,
      headers: answer.headers,
      body: isJson && answer.body !== '' ? (answer.json() as unknown) : undefined,
      bytes: answer.rawPayload,
    };
    requireDocumented(document, method, path, answered);
    return answered;
  };
  return { config, web, server, token, makeToken: giveToken, ask };
}
