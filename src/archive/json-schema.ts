// JSON Schema (2020-12) of a valibot schema, as far as the metadata uses it: the one is the source of the other. Pure.
import type * as v from 'valibot';

export type JsonSchema = { [keyword: string]: unknown };

/** What a schema may be made of here; valibot tells it at run time. */
interface Described {
  type: string;
  wrapped?: Described;
  entries?: Record<string, Described>;
  item?: Described;
  value?: Described;
  options?: readonly unknown[];
  literal?: unknown;
  requirement?: unknown;
  pipe?: readonly Described[];
}

/** @throws Error when the schema uses what is not known here: then it is to be added */
export function jsonSchemaOf(schema: v.GenericSchema): JsonSchema {
  return convert(schema as unknown as Described);
}

function convert(schema: Described): JsonSchema {
  const limits = (schema.pipe ?? []).slice(1).map(limitOf);
  return Object.assign({}, plain(schema), ...limits);
}

function plain({ type, entries = {}, item, value, options = [], literal }: Described): JsonSchema {
  switch (type) {
    case 'string':
    case 'number':
    case 'boolean':
      return { type };
    case 'literal':
      return { const: literal };
    case 'picklist':
      return { enum: options };
    case 'array':
      return { type, items: convert(required(item)) };
    case 'record':
      return { type: 'object', additionalProperties: convert(required(value)) };
    case 'union':
      return { anyOf: options.map((option) => convert(option as Described)) };
    case 'object':
    case 'loose_object':
      return objectOf(entries, type === 'loose_object');
    default:
      throw new Error(`no JSON Schema is known for valibot's ${type}`);
  }
}

/** Members that are not named may come with a later version; in a loose one they are usual. */
function objectOf(entries: Record<string, Described>, isLoose: boolean): JsonSchema {
  const members = Object.entries(entries);
  const needed = members.flatMap(([name, { type }]) => (type === 'optional' ? [] : [name]));
  const properties = members.map(([name, member]) => [name, convert(unwrapped(member))]);
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(needed.length > 0 && { required: needed }),
    ...(isLoose && { additionalProperties: true }),
  };
}

function unwrapped(schema: Described): Described {
  return schema.type === 'optional' ? required(schema.wrapped) : schema;
}

function required(schema: Described | undefined): Described {
  if (schema === undefined) throw new Error('a part of the valibot schema is missing');
  return schema;
}

function limitOf({ type, requirement }: Described): JsonSchema {
  if (type === 'integer') return { type: 'integer' };
  if (type === 'min_value') return { minimum: requirement };
  throw new Error(`no JSON Schema is known for valibot's ${type}`);
}
