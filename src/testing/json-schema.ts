// Whether a document is what a JSON Schema (2020-12) says, as far as our schemas go; and nothing besides what they name.

type Schema = {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  minimum?: number;
  items?: Schema;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
};

/** @returns what is wrong, one line each, with the path; empty when nothing is */
export function schemaProblems(schema: unknown, value: unknown, path = '$'): string[] {
  return problems(schema as Schema, value, path);
}

function problems(schema: Schema, value: unknown, path: string): string[] {
  if (schema.anyOf !== undefined) {
    const all = schema.anyOf.map((one) => problems(one, value, path));
    return all.some((found) => found.length === 0) ? [] : (all[0] ?? []);
  }
  if ('const' in schema && value !== schema.const) return [`${path} is not ${String(schema.const)}`];
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${path} is ${String(value)}, none of ${schema.enum.join()}`];
  if (schema.type !== undefined && !isOfType(schema.type, value)) return [`${path} is no ${schema.type}`];
  if (schema.minimum !== undefined && Number(value) < schema.minimum)
    return [`${path} is less than ${schema.minimum}`];
  if (Array.isArray(value))
    return value.flatMap((item, at) => problems(schema.items ?? {}, item, `${path}[${at}]`));
  return schema.type === 'object' ? memberProblems(schema, value as Record<string, unknown>, path) : [];
}

function isOfType(type: string, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  return type === 'number' ? Number.isFinite(value) : typeof value === type;
}

function memberProblems(schema: Schema, value: Record<string, unknown>, path: string): string[] {
  const { properties = {}, required = [], additionalProperties = false } = schema;
  const missing = required.filter((name) => !(name in value)).map((name) => `${path}.${name} is missing`);
  const wrong = Object.entries(value).flatMap(([name, member]) => {
    const own = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (own !== undefined) return problems(own, member, `${path}.${name}`);
    if (additionalProperties === true) return [];
    if (additionalProperties === false) return [`${path}.${name} is not in the schema`];
    return problems(additionalProperties, member, `${path}.${name}`);
  });
  return [...missing, ...wrong];
}
