// Control: HTTP/JSON on a Unix socket, one per daemon. The server side for daemons, the client side for `grec`.
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';
import { CALLER_HEADER, type Caller, callerHeader, readCaller } from './caller.ts';
import { ControlBytes, ControlStream, stream, streamBytes } from './control-streams.ts';
import { ERROR_CODES, type ErrorCode, GrecError, messageOf, systemCode } from './errors.ts';

/** The longest path a Unix socket may have on Linux (sun_path, 108 bytes with its NUL). */
const LONGEST_SOCKET_PATH = 107;
const LARGEST_BODY_BYTES = 1 << 20;
const REQUEST_TIMEOUT_MS = 10_000;

export { type DaemonName, socketOf } from './config.ts';
export { ControlBytes, ControlStream, type StreamSource } from './control-streams.ts';

/** What a route gets: decoded path parameters (`:name`), query and JSON body (undefined when there is none). */
export interface ControlRequest {
  params: Record<string, string>;
  query: URLSearchParams;
  body: unknown;
  /** Who asks, and from where, as the client says. */
  by?: Caller;
}

/** Answers with a JSON value, a {@link ControlStream} or {@link ControlBytes}, or throws a GrecError, which the client throws again as it was. */
export type ControlRoute = (request: ControlRequest) => unknown | Promise<unknown>;

/** Routes by `METHOD /path/:name`. */
export type ControlRoutes = Record<string, ControlRoute>;

const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  USAGE: 400,
  DN_INVALID: 400,
  DN_UNKNOWN: 404,
  DN_EXISTS: 409,
  CALL_UNKNOWN: 404,
  CALL_AMBIGUOUS: 409,
  RECORDING_STATE: 409,
  AGENT_LOGGED_IN: 409,
  INTERNAL: 500,
};

/**
 * Serves `routes` on `socketPath`, mode 0600 (0660 with access `group`).
 * @throws GrecError STATE_UNUSABLE when the path is too long or cannot be bound
 */
export async function serveControl(
  socketPath: string,
  routes: ControlRoutes,
  access: 'owner' | 'group' = 'owner',
): Promise<Server> {
  checkLength(socketPath);
  const table = Object.entries(routes).map(([pattern, route]) => compileRoute(pattern, route));
  const server = createServer((incoming, outgoing) => void answer(table, incoming, outgoing));
  rmSync(socketPath, { force: true });
  const mask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socketPath, resolve);
    });
    if (access === 'group') chmodSync(socketPath, 0o660);
  } catch (thrown) {
    throw new GrecError('STATE_UNUSABLE', `cannot listen on ${socketPath}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  } finally {
    process.umask(mask);
  }
  return server;
}

interface CompiledRoute {
  method: string;
  parts: string[];
  route: ControlRoute;
}

function compileRoute(pattern: string, route: ControlRoute): CompiledRoute {
  const [method = '', path = ''] = pattern.split(' ');
  return { method, parts: path.split('/'), route };
}

function matchRoute(table: CompiledRoute[], method: string, path: string) {
  const parts = path.split('/');
  for (const entry of table) {
    if (entry.method !== method || entry.parts.length !== parts.length) continue;
    const params: Record<string, string> = {};
    const matches = entry.parts.every((wanted, index) => {
      const found = parts[index] ?? '';
      if (!wanted.startsWith(':')) return wanted === found;
      params[wanted.slice(1)] = decodeURIComponent(found);
      return found !== '';
    });
    if (matches) return { route: entry.route, params };
  }
  return undefined;
}

async function answer(
  table: CompiledRoute[],
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  try {
    const url = new URL(incoming.url ?? '/', 'http://control');
    const match = matchRoute(table, incoming.method ?? 'GET', url.pathname);
    if (match === undefined)
      return reply(outgoing, 404, {
        error: { code: 'USAGE', message: `no ${incoming.method} ${url.pathname} here` },
      });
    const body = await readBody(incoming);
    const by = readCaller(incoming.headers[CALLER_HEADER]);
    const result = await match.route({ params: match.params, query: url.searchParams, body, by });
    if (result instanceof ControlStream) await stream(outgoing, result);
    else if (result instanceof ControlBytes) await streamBytes(outgoing, result);
    else reply(outgoing, 200, result ?? {});
  } catch (thrown) {
    const error = thrown instanceof GrecError ? thrown : new GrecError('INTERNAL', messageOf(thrown));
    const { code, message, hint } = error;
    reply(outgoing, STATUS_BY_CODE[code] ?? 422, { error: { code, message, hint } });
  }
}

function reply(outgoing: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value);
  outgoing.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  outgoing.end(text);
}

async function readBody(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY_BYTES)
      throw new GrecError('USAGE', `a request body may have ${LARGEST_BODY_BYTES} bytes at most`);
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new GrecError('USAGE', 'the request body is not JSON');
  }
}

/**
 * One request to a daemon's control socket; resolves with its JSON answer.
 * @param daemon its name, for messages, such as `grec-sipd`
 * @param timeoutMs how long it may take to answer, in milliseconds
 * @param by for whom this process asks; itself when left out
 * @throws GrecError DAEMON_NOT_RUNNING, CONTROL_TIMEOUT, or what the daemon answered
 */
export async function askDaemon<T>(
  daemon: string,
  socketPath: string,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
  timeoutMs = REQUEST_TIMEOUT_MS,
  by?: Caller,
): Promise<T> {
  checkLength(socketPath);
  const text = body === undefined ? '' : JSON.stringify(body);
  const { status, payload } = await exchange(daemon, socketPath, { method, path, text, timeoutMs, by });
  const value = parseAnswer(daemon, payload);
  if (status < 300) return value as T;
  throw refusal(daemon, status, value);
}

/**
 * Follows a stream of a daemon: one JSON value after the other, until the daemon ends it or the loop is left.
 * @throws GrecError DAEMON_NOT_RUNNING, or what the daemon answered
 */
export async function* followDaemon(
  daemon: string,
  socketPath: string,
  path: string,
): AsyncGenerator<unknown> {
  checkLength(socketPath);
  const incoming = await open(daemon, socketPath, path);
  const lines = createInterface({ input: incoming, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    const isRefused = (incoming.statusCode ?? 0) >= 300;
    for await (const line of lines) {
      const value = parseAnswer(daemon, line);
      if (isRefused) throw refusal(daemon, incoming.statusCode ?? 0, value);
      yield value;
    }
  } finally {
    incoming.destroy();
  }
}

/**
 * The bytes that a daemon answers with, until it ends them or `destroy` does.
 * @throws GrecError DAEMON_NOT_RUNNING, or what the daemon answered
 */
export async function openDaemonBytes(
  daemon: string,
  socketPath: string,
  path: string,
): Promise<IncomingMessage> {
  checkLength(socketPath);
  const incoming = await open(daemon, socketPath, path);
  if ((incoming.statusCode ?? 0) < 300) return incoming;
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const value = parseAnswer(daemon, Buffer.concat(chunks).toString('utf8'));
  throw refusal(daemon, incoming.statusCode ?? 0, value);
}

function open(daemon: string, socketPath: string, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, agent: false, headers: callerHeader() }, resolve);
    outgoing.on('error', (thrown) => reject(explain(daemon, socketPath, thrown)));
    outgoing.end();
  });
}

function refusal(daemon: string, status: number, value: unknown): GrecError {
  const { code, message, hint } =
    (value as { error?: { code?: string; message?: string; hint?: string } }).error ?? {};
  const known = ERROR_CODES.find((candidate) => candidate === code) ?? 'DAEMON_REFUSED';
  return new GrecError(known, message ?? `${daemon} answered ${status}`, hint === undefined ? {} : { hint });
}

interface Sent {
  method: string;
  path: string;
  text: string;
  timeoutMs: number;
  by: Caller | undefined;
}

function exchange(daemon: string, socketPath: string, { method, path, text, timeoutMs, by }: Sent) {
  return new Promise<{ status: number; payload: string }>((resolve, reject) => {
    const outgoing = request(
      {
        socketPath,
        method,
        path,
        timeout: timeoutMs,
        // No kept connection: it would be one to a daemon that has been restarted since.
        agent: false,
        headers: { 'content-length': Buffer.byteLength(text), ...callerHeader(by) },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, payload: Buffer.concat(chunks).toString('utf8') }),
        );
        incoming.on('error', (thrown) => reject(explain(daemon, socketPath, thrown)));
      },
    );
    outgoing.on('timeout', () =>
      outgoing.destroy(
        new GrecError('CONTROL_TIMEOUT', `${daemon} did not answer within ${timeoutMs / 1000} s`),
      ),
    );
    outgoing.on('error', (thrown) => reject(explain(daemon, socketPath, thrown)));
    outgoing.end(text);
  });
}

function explain(daemon: string, socketPath: string, thrown: unknown): GrecError {
  if (thrown instanceof GrecError) return thrown;
  const code = systemCode(thrown);
  if (code === 'EACCES' || code === 'EPERM') {
    return new GrecError('DAEMON_REFUSED', `no permission to talk to ${daemon} on ${socketPath}`, {
      hint: 'run as the user that runs the daemons, or set [control] access = "group" and join that group',
      cause: thrown,
    });
  }
  return new GrecError('DAEMON_NOT_RUNNING', `${daemon} is not running (nothing answers on ${socketPath})`, {
    hint: 'start it: `grec up` in the foreground, or `systemctl start grec.target`; --config must name the same configuration',
    cause: thrown,
  });
}

function parseAnswer(daemon: string, payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    throw new GrecError('DAEMON_REFUSED', `${daemon} sent an answer that is not JSON`);
  }
}

function checkLength(socketPath: string): void {
  if (Buffer.byteLength(socketPath) <= LONGEST_SOCKET_PATH) return;
  throw new GrecError(
    'STATE_UNUSABLE',
    `the socket path ${socketPath} has over ${LONGEST_SOCKET_PATH} bytes`,
    {
      hint: 'choose a shorter [state] directory',
    },
  );
}
