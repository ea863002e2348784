// A route of Web Services: what it needs, what it takes, what it answers. The server and the OpenAPI document are made of it.
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type * as v from 'valibot';
import type { Right } from './access/rights.ts';
import type { Identity } from './identity.ts';
import { PROBLEM_TYPE, type Problem } from './problem.ts';

/** Of every path. */
export const BASE = '/api/v2';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  /** JSON. */
  body?: unknown;
  /** In place of JSON; not opened when its bytes are not asked for. */
  open?: () => Readable;
  /** What is done in place of `open`. */
  discard?: () => void;
}

/** An answer that is documented: JSON of a schema, or bytes. */
export interface Documented {
  what: string;
  schema?: v.GenericSchema;
  /** Media types of bytes. */
  types?: readonly string[];
}

export interface Asked<P, Q, B> {
  params: P;
  query: Q;
  body: B;
  who: Identity;
  headers: IncomingHttpHeaders;
}

interface Described {
  method: Method;
  /** Below the base, parameters as `:name`. */
  path: string;
  summary: string;
  /** `anyone`: without a name; `known`: whoever has one. */
  needs: Right | 'anyone' | 'known';
  answers: Record<number, Documented>;
}

/** As the server has it: what came is checked before it is handled. */
export interface Route extends Described {
  params?: v.GenericSchema | undefined;
  query?: v.GenericSchema | undefined;
  body?: v.GenericSchema | undefined;
  handle(asked: Asked<unknown, unknown, unknown>): Promise<Answer> | Answer;
}

type Output<S> = S extends v.GenericSchema ? v.InferOutput<S> : undefined;

/** One whose handler knows the types of what its schemas let through. */
export function route<
  P extends v.GenericSchema | undefined = undefined,
  Q extends v.GenericSchema | undefined = undefined,
  B extends v.GenericSchema | undefined = undefined,
>(
  described: Described & {
    params?: P;
    query?: Q;
    body?: B;
    handle(asked: Asked<Output<P>, Output<Q>, Output<B>>): Promise<Answer> | Answer;
  },
): Route {
  const { handle, ...rest } = described;
  // The server has put what came through these very schemas.
  return { ...rest, handle: (asked) => handle(asked as Asked<Output<P>, Output<Q>, Output<B>>) };
}

export function ok(body: unknown, headers: Record<string, string> = {}): Answer {
  return { status: 200, headers, body };
}

export function refuse(body: Problem, headers: Record<string, string> = {}): Answer {
  return { status: body.status, headers: { ...headers, 'content-type': PROBLEM_TYPE }, body };
}
