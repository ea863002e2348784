// Whether an answer is what the OpenAPI document says, to the last member.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Answered, Verb } from './web-fixture.ts';

type Content = Record<string, { schema?: object }>;
interface Document {
  paths: Record<string, Record<string, { responses: Record<string, { content?: Content }> }>>;
  components: { schemas: { Problem: object } };
}

const ajv = new Ajv2020({ strict: false, allErrors: true });
const compiled = new Map<string, ValidateFunction>();

/** @param path below the base, with its query @throws Error with what is wrong */
export function requireDocumented(document: unknown, method: Verb, path: string, answered: Answered): void {
  const { paths, components } = document as Document;
  const where = `${method} ${path}: ${answered.status}`;
  const found = Object.keys(paths).find((one) => patternOf(one).test(path.split('?')[0] ?? ''));
  const operation =
    found === undefined ? undefined : paths[found]?.[method === 'HEAD' ? 'get' : method.toLowerCase()];
  const type = String(answered.headers['content-type'] ?? '');
  if (operation === undefined) {
    if (![400, 404, 405, 414, 429].includes(answered.status)) throw new Error(`${where} is of no route`);
    if (method !== 'HEAD') check(where, 'Problem', components.schemas.Problem, answered.body);
    return;
  }
  const documented = operation.responses[answered.status];
  if (documented === undefined) throw new Error(`${where} is not documented`);
  const content = documented.content?.[type];
  if (documented.content !== undefined && content === undefined)
    throw new Error(`${where}: ${type} is not documented`);
  if (documented.content === undefined && answered.bytes.length > 0) throw new Error(`${where} has a body`);
  if (method === 'HEAD' || content === undefined) return;
  if (type === 'application/problem+json') check(where, 'Problem', components.schemas.Problem, answered.body);
  else if (content.schema)
    check(where, `${method} ${found} ${answered.status}`, content.schema, answered.body);
}

function check(where: string, name: string, schema: object, body: unknown): void {
  const validate = compiled.get(name) ?? ajv.compile(schema);
  compiled.set(name, validate);
  if (!validate(body))
    throw new Error(`${where}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(body)}`);
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
}
