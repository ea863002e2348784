// The OpenAPI 3.1 document of Web Services, made from the very schemas that check what comes, and say what is answered. Pure.
import { type JsonSchema, toJsonSchema } from '@valibot/to-json-schema';
import type * as v from 'valibot';
import { VERSION } from '../version.ts';
import { PROBLEM_TYPE, problemSchema } from './problem.ts';
import { BASE, type Documented, type Route } from './route.ts';

type Json = Record<string, unknown>;

/** Answers that no route has to name: what the server itself says, and what the daemons behind it may come to. */
const ALWAYS: Record<number, string> = {
  400: 'Something in the request is not as it has to be.',
  404: 'There is no such thing, or the user may not see it.',
  405: 'The path takes other methods.',
  429: 'Too many requests; Retry-After says when to come again.',
  500: 'Something went wrong here.',
  503: 'A part of grec that this needs is not there.',
};
const WITH_A_NAME = { 401: 'Nobody that is known.', 403: 'The user has not the right.' };
const WITH_A_BODY = { 413: 'The body is too large.', 415: 'The body is not JSON.' };
const BEHIND = { 504: 'A part of grec did not answer in time.' };

export function openApiOf(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const one of routes) {
    const path = one.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [one.method.toLowerCase()]: operationOf(one) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'grec Web Services',
      version: VERSION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: BASE }],
    paths,
    components: {
      schemas: { Problem: schemaOf(problemSchema) },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        password: { type: 'http', scheme: 'basic' },
      },
    },
  };
}

function operationOf(one: Route): Json {
  const { method, path, summary, needs, params, query, body, answers } = one;
  const isOpen = needs === 'anyone';
  const parameters = [...parametersOf(params, 'path'), ...parametersOf(query, 'query')];
  const problems = { ...ALWAYS, ...(!isOpen && WITH_A_NAME), ...(body && WITH_A_BODY), ...BEHIND };
  const unsaid = Object.fromEntries(
    Object.entries(problems).map(([status, what]) => [status, answerOf({ what })]),
  );
  const said = Object.entries(answers).map(([status, answer]) => [status, answerOf(answer)]);
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/[/:.]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary: isOpen || needs === 'known' ? summary : `${summary} (${needs})`,
    security: isOpen ? [] : [{ token: [] }, { password: [] }],
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body) } } },
    }),
    responses: {
      ...unsaid,
      ...(method === 'GET' && { 304: { description: 'It is there already.' } }),
      ...Object.fromEntries(said),
    },
  };
}

function parametersOf(schema: v.GenericSchema | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema);
  return Object.entries(properties).map(([name, part]) => {
    return { name, in: place, required: required.includes(name), schema: part };
  });
}

/** Without a schema or types: a problem; without any content below 400. */
function answerOf({ what, schema, types }: Documented): Json {
  if (types !== undefined)
    return { description: what, content: Object.fromEntries(types.map((type) => [type, {}])) };
  if (schema !== undefined)
    return { description: what, content: { 'application/json': { schema: schemaOf(schema) } } };
  return {
    description: what,
    content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

/** What is checked beyond what JSON Schema can say is said by the words of a refusal. */
function schemaOf(schema: v.GenericSchema): JsonSchema {
  const made = toJsonSchema(schema, { target: 'draft-2020-12', typeMode: 'input', errorMode: 'ignore' });
  const { $schema: _, ...rest } = made;
  return rest;
}
