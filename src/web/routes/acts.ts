// What is said of recordings afterwards: labels, comments, holds. grec-procd does it, signs it, and notes it in the audit log.
import * as v from 'valibot';
import { labelSchema } from '../../archive/act.ts';
import type { RecordingState } from '../../archive/acts-state.ts';
import type { Identity } from '../identity.ts';
import { ok, type Route, route } from '../route.ts';
import type { Web } from '../web.ts';
import { commentSchema, idSchema, reasonSchema } from './schemas.ts';
import { seenRecording } from './seen.ts';

const MOST_LABELS = 64;
const params = v.strictObject({ id: idSchema });
const labels = v.pipe(
  v.array(labelSchema),
  v.maxLength(MOST_LABELS, `expected ${MOST_LABELS} labels at most`),
);
const labelsSchema = v.strictObject({ add: v.optional(labels, []), remove: v.optional(labels, []) });
const holdSchema = v.strictObject({
  operationName: v.picklist(['applyNonDelete', 'removeNonDelete']),
  reason: reasonSchema,
});
const stateSchema = v.strictObject({
  statusCode: v.literal(0),
  id: v.string(),
  labels: v.array(v.string()),
  nonDelete: v.boolean(),
  holdReason: v.nullable(v.string()),
  comments: v.array(v.strictObject({ at: v.string(), user: v.string(), text: v.string() })),
});
const answers = {
  200: { what: 'What is said of it now.', schema: stateSchema },
  404: { what: 'There is no such recording.' },
  409: { what: 'It is so already.' },
};

export function actRoutes(web: Web): Route[] {
  const act = async (who: Identity, id: string, body: object) => {
    const { id: known } = seenRecording(web, who, id);
    const path = `/recordings/${known}/acts`;
    const said = await web.ask<RecordingState>('grec-procd', { method: 'POST', path, body, by: who.by });
    return ok(shown(known, said));
  };
  return [
    route({
      method: 'POST',
      path: '/recordings/:id',
      summary: 'Put a recording under legal hold, or release it',
      needs: 'recordings:hold',
      params,
      body: holdSchema,
      answers,
      handle: ({ params: { id }, who, body: { operationName, reason } }) =>
        act(who, id, { type: operationName === 'applyNonDelete' ? 'hold' : 'unhold', reason }),
    }),
    route({
      method: 'POST',
      path: '/recordings/:id/labels',
      summary: 'Add labels, and take others away',
      needs: 'recordings:label',
      params,
      body: labelsSchema,
      answers,
      handle: ({ params: { id }, who, body }) => act(who, id, { type: 'label', ...body }),
    }),
    route({
      method: 'POST',
      path: '/recordings/:id/comments',
      summary: 'Comment on a recording',
      needs: 'recordings:label',
      params,
      body: v.strictObject({ text: commentSchema }),
      answers,
      handle: ({ params: { id }, who, body: { text } }) => act(who, id, { type: 'label', comment: text }),
    }),
  ];
}

function shown(
  id: string,
  { labels: known, hold, comments }: RecordingState,
): v.InferOutput<typeof stateSchema> {
  return {
    statusCode: 0,
    id,
    labels: known,
    nonDelete: hold !== undefined,
    holdReason: hold?.reason ?? null,
    comments: comments.map(({ at, by, text }) => ({ at, user: by.user, text })),
  };
}
