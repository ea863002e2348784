// schemas/metadata.schema.json is what metadata.ts says; `node src/archive/json-schema.test.ts --write` writes it anew.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import * as v from 'valibot';
import { schemaProblems } from '../testing/json-schema.ts';
import { jsonSchemaOf } from './json-schema.ts';
import { metadataSchema } from './metadata.ts';

const FILE = fileURLToPath(new URL('../../schemas/metadata.schema.json', import.meta.url));
const expected = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'metadata.json of a recording of grec',
  description:
    'man grec-metadata says what each member means. Members that are not here may come with a later version.',
  ...jsonSchemaOf(metadataSchema),
};
if (process.argv.includes('--write')) writeFileSync(FILE, `${JSON.stringify(expected, undefined, 2)}\n`);

t.test('the schema that is shipped is that of the code', async (t) => {
  t.same(JSON.parse(readFileSync(FILE, 'utf8')), expected);
});

t.test('what it is made of', async (t) => {
  const count = v.pipe(v.number(), v.integer(), v.minValue(0));
  const schema = v.object({
    word: v.picklist(['a', 'b']),
    count: v.optional(count),
    list: v.array(v.union([v.literal(1), v.looseObject({ name: v.string() })])),
    data: v.record(v.string(), v.boolean()),
  });
  t.same(jsonSchemaOf(schema), {
    type: 'object',
    properties: {
      word: { enum: ['a', 'b'] },
      count: { type: 'integer', minimum: 0 },
      list: {
        type: 'array',
        items: {
          anyOf: [
            { const: 1 },
            {
              type: 'object',
              properties: { name: { type: 'string' } },
              required: ['name'],
              additionalProperties: true,
            },
          ],
        },
      },
      data: { type: 'object', additionalProperties: { type: 'boolean' } },
    },
    required: ['word', 'list', 'data'],
  });
  t.throws(() => jsonSchemaOf(v.date()), /date/);
  t.throws(() => jsonSchemaOf(v.pipe(v.string(), v.email())), /email/);
  const good = { word: 'a', count: 0, list: [1, { name: 'x', more: true }], data: { yes: true } };
  t.same(schemaProblems(jsonSchemaOf(schema), good), []);
  t.match(
    schemaProblems(jsonSchemaOf(schema), { word: 'c', count: -1, list: [2], data: { no: 0 }, more: 1 }),
    [
      /word is c/,
      /count is less than 0/,
      /list\[0\] is not 1/,
      /data.no is no boolean/,
      /more is not in the schema/,
    ],
  );
  t.match(schemaProblems(jsonSchemaOf(schema), { count: 1.5 }), [
    /word is missing/,
    /list/,
    /data/,
    /integer/,
  ]);
});
