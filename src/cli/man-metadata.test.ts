// grec-metadata(5) has every member of metadata.json and whether it may be absent, and nothing else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type * as v from 'valibot';
import {
  archivedPartySchema,
  historyEventSchema,
  mediaFileSchema,
  mediaParametersSchema,
  metadataSchema,
} from '../archive/metadata.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'man', 'grec-metadata.5'), 'utf8');

/** `name` or `name?`, as in types. */
function documented(name: string): string[] {
  const section = page.split(`.Ss ${name}\n`)[1]?.split(/^\.S[sh] /m)[0] ?? '';
  return [...section.matchAll(/^\.It Li (.+)$/gm)].flatMap(([, item = '']) => {
    const [names = '', isOptional] = item.split(' , No optional');
    return names.split(' , ').map((one) => (isOptional === undefined ? one : `${one}?`));
  });
}

function accepted(entries: v.ObjectEntries): string[] {
  return Object.entries(entries).map(([name, { type }]) => (type === 'optional' ? `${name}?` : name));
}

/** Of a list, or of something that may be absent, what is in it. */
function entriesOf(schema: unknown): v.ObjectEntries {
  const { entries, item, wrapped } = schema as Record<string, unknown>;
  return (entries as v.ObjectEntries | undefined) ?? entriesOf(item ?? wrapped);
}

const { entries } = metadataSchema;
for (const [name, members] of [
  ['metadata', entries],
  ['decision', entriesOf(entries.decision)],
  ['parties', archivedPartySchema.entries],
  ['mediaFiles', mediaFileSchema.entries],
  ['parameters', mediaParametersSchema.entries],
  ['segments', entriesOf(entries.segments)],
  ['masked', entriesOf(entries.masked)],
  ['dtmf', entriesOf(entries.dtmf)],
  ['codecs', entriesOf(entries.codecs)],
  ['eventHistory', historyEventSchema.entries],
  ['contact', entriesOf(historyEventSchema.entries.contact)],
] as const)
  t.test(name, async (t) => t.strictSame(documented(name).sort(), accepted(members).sort()));
