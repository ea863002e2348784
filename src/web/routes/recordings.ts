// Recordings: pages of them, and one with its metadata, as Interaction Recording Web Services have it.
import * as v from 'valibot';
import { cursorSchema, writeCursor } from '../cursor.ts';
import { ok, type Route, route } from '../route.ts';
import type { Web } from '../web.ts';
import { idSchema, listSchema, numberSchema, numberWithin, oneSchema, timeSchema } from './schemas.ts';
import { describeRecording, listed, seenRecording } from './seen.ts';

const MOST_AT_ONCE = 500;
const LONGEST_MS = 10 * 86_400_000;
const word = v.pipe(v.string(), v.regex(/^[^\p{Cc}]{1,128}$/u, 'expected 1 to 128 printable characters'));

const querySchema = v.strictObject({
  callerPhoneNumber: v.optional(numberSchema),
  dialedPhoneNumber: v.optional(numberSchema),
  recordDN: v.optional(numberSchema),
  /** Begun at this time or later, and before that one. */
  startTime: v.optional(timeSchema),
  endTime: v.optional(timeSchema),
  minDuration: v.optional(numberWithin(0, LONGEST_MS)),
  maxDuration: v.optional(numberWithin(0, LONGEST_MS)),
  direction: v.optional(v.picklist(['internal', 'inbound', 'outbound'])),
  state: v.optional(v.picklist(['complete', 'partial', 'failed'])),
  sessionId: v.optional(word),
  label: v.optional(word),
  nonDelete: v.optional(v.picklist(['true', 'false'])),
  /** Of the time at which they began; the newest first. */
  sort: v.optional(v.picklist(['startTime', '-startTime']), '-startTime'),
  limit: v.optional(numberWithin(1, MOST_AT_ONCE), '50'),
  cursor: v.optional(cursorSchema),
});

export function recordingRoutes(web: Web): Route[] {
  return [
    route({
      method: 'GET',
      path: '/recordings',
      summary: 'Recordings, a page at a time',
      needs: 'recordings:read',
      query: querySchema,
      answers: { 200: { what: 'A page of those that the user may see.', schema: listSchema } },
      handle: async ({ query, who }) => {
        const { limit } = query;
        // One more than is shown tells whether there are more.
        const rows = web
          .catalog()
          .page({ ...filterOf(query), dns: who.sight && [...who.sight], limit: limit + 1 });
        const shown = rows.slice(0, limit);
        const last = rows.length > limit ? shown.at(-1) : undefined;
        await web.note(who.by, { what: 'list', details: { ...detailsOf(query), found: shown.length } });
        return ok({
          statusCode: 0,
          recordings: shown.map((row) => listed(row, row.labels, row.isHeld)),
          next: last === undefined ? null : writeCursor(last),
        });
      },
    }),
    route({
      method: 'GET',
      path: '/recordings/:id',
      summary: 'One recording, with its metadata',
      needs: 'recordings:read',
      params: v.strictObject({ id: idSchema }),
      answers: { 200: { what: 'The recording.', schema: oneSchema }, 404: { what: 'There is none.' } },
      handle: async ({ params, who }) => {
        const row = seenRecording(web, who, params.id);
        await web.note(who.by, { what: 'show', recording: row.id });
        return ok({ statusCode: 0, recording: describeRecording(web, row) });
      },
    }),
  ];
}

type Query = v.InferOutput<typeof querySchema>;

function filterOf(query: Query) {
  const { startTime, endTime, nonDelete, sort, cursor, recordDN, callerPhoneNumber, dialedPhoneNumber } =
    query;
  const { minDuration, maxDuration, direction, state, sessionId, label } = query;
  return {
    ...{
      caller: callerPhoneNumber,
      callee: dialedPhoneNumber,
      dn: recordDN,
      since: startTime,
      until: endTime,
    },
    ...{ minDuration, maxDuration, direction, state, sessionId, label, after: cursor },
    isHeld: nonDelete === undefined ? undefined : nonDelete === 'true',
    isOldestFirst: sort === 'startTime',
  };
}

/** Of the cursor only that there was one. */
function detailsOf({ cursor, ...query }: Query): Record<string, string | number | boolean | undefined> {
  return { ...query, ...(cursor !== undefined && { cursor: true }) };
}
