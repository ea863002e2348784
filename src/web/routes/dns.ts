// DNs and how they are recorded. grec-sipd keeps them, and notes changes in the audit log before it makes them.
import * as v from 'valibot';
import { DN_TYPES, displayName, settingEntries } from '../../dn-settings.ts';
import { GrecError } from '../../errors.ts';
import { type Identity, sees } from '../identity.ts';
import { ok, type Route, route } from '../route.ts';
import { sparingly } from '../sparingly.ts';
import type { Web } from '../web.ts';

/** Of what grec-sipd shows; addresses of phones and what is known of passwords stay there. */
const SHOWN = [
  'number',
  'type',
  'name',
  'record',
  'record-consult-calls',
  'mandatory',
  'recording-filename',
  'retention',
  'agent',
  'calls',
] as const;

const dnSchema = v.strictObject({
  number: v.string(),
  type: v.picklist(DN_TYPES),
  name: v.nullable(v.string()),
  record: v.boolean(),
  'record-consult-calls': v.boolean(),
  mandatory: v.boolean(),
  'recording-filename': v.nullable(v.string()),
  retention: v.nullable(v.string()),
  /** The agent who is logged in there. */
  agent: v.nullable(v.string()),
  /** Under way. */
  calls: v.number(),
});
type ShownDn = v.InferOutput<typeof dnSchema>;
const listSchema = v.strictObject({ statusCode: v.literal(0), dns: v.array(dnSchema) });
const oneSchema = v.strictObject({ statusCode: v.literal(0), dn: dnSchema });
const params = v.strictObject({
  number: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_+*#.-]{1,32}$/, 'expected a DN')),
});

/** Null takes a setting away, so that it is inherited. */
const orNull = <const T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema));
const settingsSchema = v.strictObject({
  name: orNull(displayName),
  record: orNull(settingEntries.record),
  'record-consult-calls': orNull(settingEntries['record-consult-calls']),
  mandatory: orNull(settingEntries.mandatory),
  'recording-filename': orNull(settingEntries['recording-filename']),
  retention: orNull(settingEntries.retention),
});

export function dnRoutes(web: Web): Route[] {
  const by = { user: 'grec-webd', from: 'dns' };
  const all = sparingly(async () => {
    return (await web.ask<{ dns: ShownDn[] }>('grec-sipd', { method: 'GET', path: '/dns', by })).dns;
  });
  return [
    route({
      method: 'GET',
      path: '/dns',
      summary: 'DNs, and how they are recorded',
      needs: 'dns:read',
      answers: { 200: { what: 'Those that the user may see.', schema: listSchema } },
      handle: async ({ who }) => {
        return ok({ statusCode: 0, dns: (await all()).filter(({ number }) => sees(who, number)).map(shown) });
      },
    }),
    route({
      method: 'GET',
      path: '/dns/:number',
      summary: 'One DN',
      needs: 'dns:read',
      params,
      answers: { 200: { what: 'The DN.', schema: oneSchema }, 404: { what: 'There is none.' } },
      handle: async ({ who, params: { number } }) =>
        ok({ statusCode: 0, dn: shown(await dnOf(web, who, number)) }),
    }),
    route({
      method: 'PUT',
      path: '/dns/:number/settings',
      summary: 'Change how a DN is recorded; what is left out stays',
      needs: 'dns:write',
      params,
      body: settingsSchema,
      answers: {
        200: { what: 'The DN as it is now.', schema: oneSchema },
        404: { what: 'There is none.' },
      },
      handle: async ({ who, params: { number }, body: settings }) => {
        await dnOf(web, who, number);
        const asked = { method: 'PUT', path: pathOf(number), body: { settings }, by: who.by } as const;
        const { dn } = await web.ask<{ dn: ShownDn }>('grec-sipd', asked);
        return ok({ statusCode: 0, dn: shown(dn) });
      },
    }),
  ];
}

async function dnOf(web: Web, who: Identity, number: string): Promise<ShownDn> {
  if (!sees(who, number)) throw new GrecError('DN_UNKNOWN', `there is no DN ${number}`);
  return web.ask<ShownDn>('grec-sipd', { method: 'GET', path: pathOf(number), by: who.by });
}

function pathOf(number: string): string {
  return `/dns/${encodeURIComponent(number)}`;
}

function shown(dn: ShownDn): ShownDn {
  return Object.fromEntries(SHOWN.map((key) => [key, dn[key]])) as ShownDn;
}
