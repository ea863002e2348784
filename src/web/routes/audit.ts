// The audit log, for auditors: pages in the order of its numbers. That it was read is an entry itself.
import * as v from 'valibot';
import { readAudit } from '../../audit/read.ts';
import type { AuditRecord } from '../../audit/record.ts';
import { AUDITED } from '../../audit/words.ts';
import { ok, type Route, route } from '../route.ts';
import type { Web } from '../web.ts';
import { idSchema, numberWithin, timeSchema } from './schemas.ts';

const MOST_AT_ONCE = 1000;
const detail = v.union([v.string(), v.number(), v.boolean(), v.null()]);
const entrySchema = v.strictObject({
  seq: v.number(),
  at: v.string(),
  user: v.string(),
  from: v.string(),
  what: v.picklist(AUDITED),
  recording: v.nullable(v.string()),
  details: v.record(v.string(), detail),
});
const listSchema = v.strictObject({
  statusCode: v.literal(0),
  entries: v.array(entrySchema),
  /** For `after` of the next request; null when there is no more. */
  next: v.nullable(v.number()),
});
const querySchema = v.strictObject({
  since: v.optional(timeSchema),
  until: v.optional(timeSchema),
  what: v.optional(v.picklist(AUDITED)),
  user: v.optional(v.pipe(v.string(), v.maxLength(256))),
  recording: v.optional(idSchema),
  after: v.optional(numberWithin(0, Number.MAX_SAFE_INTEGER), '0'),
  limit: v.optional(numberWithin(1, MOST_AT_ONCE), '100'),
});
type Query = v.InferOutput<typeof querySchema>;

export function auditRoutes(web: Web): Route[] {
  /** One after the other: each goes through the files. */
  let turn: Promise<unknown> = Promise.resolve();
  return [
    route({
      method: 'GET',
      path: '/audit',
      summary: 'Who did what, the oldest first',
      needs: 'audit:read',
      query: querySchema,
      answers: { 200: { what: 'A page of entries.', schema: listSchema } },
      handle: async ({ query, who }) => {
        await web.note(who.by, { what: 'audit', details: { ...query } });
        const found = turn.then(() => find(web.config.paths.audit, query));
        turn = found.catch(() => undefined);
        const entries = await found;
        const shown = entries.slice(0, query.limit);
        const next = entries.length > query.limit ? (shown.at(-1)?.seq ?? null) : null;
        return ok({ statusCode: 0, entries: shown.map(show), next });
      },
    }),
  ];
}

/** One more than a page has, when there is one. */
async function find(directory: string, query: Query): Promise<AuditRecord[]> {
  const found: AuditRecord[] = [];
  for await (const record of readAudit(directory)) {
    if (!isWanted(record, query)) continue;
    found.push(record);
    if (found.length > query.limit) break;
  }
  return found;
}

function isWanted(record: AuditRecord, { since, until, what, user, recording, after }: Query): boolean {
  const at = Date.parse(record.at);
  if (record.seq <= after) return false;
  if ((since !== undefined && at < since) || (until !== undefined && at >= until)) return false;
  if (what !== undefined && record.what !== what) return false;
  if (user !== undefined && record.user !== user) return false;
  return recording === undefined || record.recording === recording;
}

function show({ seq, at, user, from, what, recording, details = {} }: AuditRecord) {
  return { seq, at, user, from, what, recording: recording ?? null, details };
}
