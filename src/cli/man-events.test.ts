// grec-events(5) has every event and every member of the journals' schema, and nothing else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type * as v from 'valibot';
import { eventBodySchema, eventSchema } from '../spool/events.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'man', 'grec-events.5'), 'utf8');
const [description = '', ofEvents = ''] = page.split('.Sh EVENTS\n');
const [events = ''] = ofEvents.split('.Sh FILES');

/** `name` or `name?`, as in types. */
function documented(section: string): string[] {
  return [...section.matchAll(/^\.It Li (.+)$/gm)].flatMap(([, item = '']) => {
    const [names = '', isOptional] = item.split(' , No optional');
    return names.split(' , ').map((name) => (isOptional === undefined ? name : `${name}?`));
  });
}

function accepted(entries: v.ObjectEntries): string[] {
  return Object.entries(entries).map(([name, { type }]) => (type === 'optional' ? `${name}?` : name));
}

function entriesOf(schema: unknown): v.ObjectEntries {
  const { entries, item } = schema as { entries?: v.ObjectEntries; item?: unknown };
  return entries ?? entriesOf(item);
}

/** The text of a subsection of the description. */
const subsection = (name: string) => description.split(`.Ss ${name}\n`)[1]?.split('.Ss ')[0] ?? '';

t.test('every event, with every member, and whether it may be left out', async (t) => {
  const described = events.split(/^\.Ss /m).slice(1);
  const names = described.map((section) => section.split('\n')[0]);
  const { options } = eventBodySchema;
  t.strictSame([...names].sort(), options.map(({ entries }) => String(entries.type.literal)).sort());
  for (const { entries } of options) {
    const { type, ...members } = entries;
    const section = described.find((text) => text.startsWith(`${type.literal}\n`)) ?? '';
    t.strictSame(documented(section).sort(), accepted(members).sort(), type.literal);
    t.match(section.split('\n')[1], /^[A-Z]/, `${type.literal}: when`);
  }
});

t.test('what every event has, and what parties have', async (t) => {
  const [common] = eventSchema.options;
  t.strictSame(documented(subsection('Every event')), [...accepted(common.entries), 'type']);
  const entries = (type: string): Record<string, unknown> =>
    eventBodySchema.options.find((option) => option.entries.type.literal === type)?.entries ?? {};
  for (const [name, schema] of [
    ['Parties of a call', entries('call.created')['from']],
    ['Parties of a recording', entries('recording.started')['parties']],
  ] as const)
    t.strictSame(documented(subsection(name)).sort(), accepted(entriesOf(schema)).sort(), name);
});
