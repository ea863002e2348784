// The HTTP server (RFC 9110) of Web Services: limits, who is let in, and what every answer carries. Routes know none of it.
import { createHash } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { Server as TlsServer } from 'node:https';
import { type AddressInfo, isIPv6, type Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import * as v from 'valibot';
import type { HostPort } from '../config.ts';
import { messageOf } from '../errors.ts';
import { matches } from './conditions.ts';
import { Doors, tooMany } from './doors.ts';
import type { Identity } from './identity.ts';
import {
  DEEPEST_JSON,
  isTooDeep,
  LARGEST_BODY_BYTES,
  LARGEST_HEADER_BYTES,
  MOST_HEADERS,
  sourceOf,
} from './limits.ts';
import { PROBLEM_TYPE, type Problem, problem, problemOf } from './problem.ts';
import { type Answer, BASE, type Method, type Route, refuse } from './route.ts';
import type { Tls, Web } from './web.ts';

const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE'];
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const MOST_CONNECTIONS = 512;
const MOST_CONNECTIONS_BY_ADDRESS = 128;
const IDLE_MS = 10_000;
const LONGEST_PARAMETER = 128;

const SECURITY = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
};

export interface WebServer {
  listen(place: HostPort): Promise<void>;
  address(): string;
  /** For connections from now on. */
  useTls(tls: Tls): void;
  counts(): Record<string, number>;
  close(): Promise<void>;
  /** For tests: without a socket. */
  app: FastifyInstance;
}

export async function createWebServer(web: Web, routes: readonly Route[], tls?: Tls): Promise<WebServer> {
  const counts = { requests: 0, refused: 0, failed: 0 };
  const app = createApp(web, tls);
  const server = new Doors(web, counts);
  app.addHook('onRequest', async (request, reply) => {
    counts.requests += 1;
    reply.headers({ ...SECURITY, ...(tls && { 'strict-transport-security': 'max-age=31536000' }) });
    const wait = server.mayCome(request);
    if (wait > 0) return send(reply, tooMany(wait));
  });
  app.setErrorHandler((error, request, reply) => {
    const told = problemOfError(error);
    if (told.status >= 500) {
      counts.failed += 1;
      web.log.error({ method: request.method, route: request.routeOptions.url }, messageOf(error));
    }
    return send(reply, refuse(told));
  });
  app.setNotFoundHandler((_, reply) =>
    send(reply, refuse(problem(404, 'not-found', 'there is nothing here'))),
  );
  addJson(app);
  addRoutes(app, routes, server);
  await app.ready();
  return {
    app,
    listen: async ({ host, port }) => void (await app.listen({ host, port })),
    address: () => showAddress(app.server.address()),
    useTls: (next) => {
      if (app.server instanceof TlsServer) app.server.setSecureContext(next);
    },
    counts: () => ({ ...counts }),
    close: () => app.close(),
  };
}

function showAddress(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') return address ?? '';
  return isIPv6(address.address)
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}

function createApp({ config, log }: Web, tls: Tls | undefined): FastifyInstance {
  const { proxies } = config.web;
  const app = fastify({
    ...(tls && { https: { ...tls, maxHeaderSize: LARGEST_HEADER_BYTES } }),
    ...(!tls && { http: { maxHeaderSize: LARGEST_HEADER_BYTES } }),
    bodyLimit: LARGEST_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_MS,
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    trustProxy: proxies.length > 0 ? proxies : false,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    return503OnClosing: true,
    clientErrorHandler: (error, socket) => refuseRaw(error, socket),
    frameworkErrors: (error, _, reply) => void send(reply, refuse(problemOfError(error)), SECURITY),
  }) as unknown as FastifyInstance;
  app.server.headersTimeout = HEADERS_TIMEOUT_MS;
  app.server.maxHeadersCount = MOST_HEADERS;
  app.server.maxConnections = MOST_CONNECTIONS;
  if (proxies.length === 0) boundByAddress(app);
  app.server.on('tlsClientError', (error: Error) => log.debug(`TLS: ${error.message}`));
  return app;
}

/** One address leaves connections to others. */
function boundByAddress(app: FastifyInstance): void {
  const open = new Map<string, number>();
  app.server.on('connection', (socket: Socket) => {
    const source = sourceOf(socket.remoteAddress ?? '');
    const count = (open.get(source) ?? 0) + 1;
    open.set(source, count);
    socket.once('close', () => {
      const left = (open.get(source) ?? 1) - 1;
      if (left === 0) open.delete(source);
      else open.set(source, left);
    });
    if (count > MOST_CONNECTIONS_BY_ADDRESS) socket.destroy();
  });
}

/** What is no HTTP, or too much of it, before there is a request. */
function refuseRaw(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const body = JSON.stringify(problem(status, 'not-http', 'this is no request that is understood here'));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Only JSON, only UTF-8, not deeper than anything here is, and nothing that reaches a prototype. */
function addJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes as Buffer);
    } catch {
      return done(badRequest('the body is not UTF-8'));
    }
    if (isTooDeep(text)) return done(badRequest(`the body is deeper than ${DEEPEST_JSON} levels`));
    parse(request, text, (error, value) =>
      error === null || error === undefined ? done(null, value) : done(badRequest('the body is not JSON')),
    );
  });
}

function badRequest(message: string): Error & { statusCode: number } {
  return Object.assign(new Error(message), { statusCode: 400 });
}

/** Of fastify's own errors the status and, for those of the client, the words. */
function problemOfError(error: unknown): Problem {
  const { statusCode: status, code } = error as { statusCode?: number; code?: string };
  if (status === undefined || status < 400 || status >= 500) return problemOf(error);
  const kind =
    code === undefined
      ? 'bad-request'
      : code
          .toLowerCase()
          .replace(/^fst_err_/, '')
          .replaceAll('_', '-');
  return problem(status, kind, messageOf(error));
}

function addRoutes(app: FastifyInstance, routes: readonly Route[], doors: Doors): void {
  for (const one of routes) {
    const url = `${BASE}${one.path}`;
    app.route({
      method: one.method === 'GET' ? ['GET', 'HEAD'] : one.method,
      url,
      onRequest: async (request, reply) => {
        const refusal = await doors.letIn(request, one);
        if (refusal !== undefined) return send(reply, refusal);
      },
      handler: async (request, reply) => send(reply, await handle(one, request, doors.identityOf(request))),
    });
  }
  for (const path of new Set(routes.map(({ path }) => path))) {
    const there = routes.filter((one) => one.path === path).map(({ method }) => method);
    const absent = [...METHODS, 'PATCH' as const].filter((method) => !there.some((one) => one === method));
    const allow = there.includes('GET') ? ['HEAD', ...there] : there;
    const told = problem(405, 'method-not-allowed', `this takes ${allow.join(', ')}`);
    app.route({
      method: there.includes('GET') ? absent : ['HEAD', ...absent],
      url: `${BASE}${path}`,
      // A body is of no interest, whatever it is.
      onRequest: async (_, reply) => send(reply, refuse(told, { allow: allow.join(', ') })),
      handler: async () => undefined,
    });
  }
}

async function handle(one: Route, request: FastifyRequest, who: Identity): Promise<Answer> {
  const parts = { params: request.params, query: request.query, body: request.body };
  const checked: { [Part in keyof typeof parts]?: unknown } = {};
  for (const part of ['params', 'query', 'body'] as const) {
    const schema = one[part] ?? (part === 'query' ? v.strictObject({}) : undefined);
    if (schema === undefined) continue;
    const result = v.safeParse(schema, part === 'body' ? parts[part] : { ...(parts[part] as object) });
    if (!result.success) return refuse(problem(400, `bad-${part}`, describeIssue(result.issues[0], part)));
    checked[part] = result.output;
  }
  const { params, query, body } = checked;
  return one.handle({ params, query, body, who, headers: request.headers });
}

/** Never with the value: it may be a password, or long. */
function describeIssue(issue: v.BaseIssue<unknown>, part: string): string {
  const path = v.getDotPath(issue);
  const message = issue.message.startsWith('expected')
    ? issue.message
    : `expected ${issue.expected ?? issue.kind}`;
  return `${path === null ? part : path.slice(0, 64)}: ${message}`;
}

/** Also what the other side has already (RFC 9110 section 13.1.2). */
function send(reply: FastifyReply, answer: Answer, more: Record<string, string> = {}): FastifyReply {
  const { status, headers = {}, body, open, discard } = answer;
  const { method, headers: asked } = reply.request;
  const isRead = method === 'GET' || method === 'HEAD';
  reply.code(status).headers({ ...more, ...headers });
  if (open !== undefined && method !== 'HEAD') return reply.send(open());
  if (open !== undefined) discard?.();
  if (body === undefined) return reply.send();
  // Bytes: to text the framework would add a charset, which JSON has none of (RFC 8259 section 11).
  const text = Buffer.from(JSON.stringify(body));
  if (headers['content-type'] === undefined) reply.header('content-type', 'application/json');
  if (isRead && status === 200) {
    const etag = `"${createHash('sha256').update(text).digest('base64url')}"`;
    reply.header('etag', etag);
    if (matches(asked['if-none-match'], etag)) {
      reply.removeHeader('content-type');
      return reply.code(304).send();
    }
  }
  return method === 'HEAD' ? reply.header('content-length', text.length).send() : reply.send(text);
}
