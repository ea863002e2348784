// Where a page ended, in a word that a client gives back as it is.
import * as v from 'valibot';
import type { PagePlace } from '../catalog/page.ts';

const placeSchema = v.strictTuple([
  v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  v.pipe(v.string(), v.regex(/^[0-9a-f-]{36}$/)),
]);
const CURSOR = 'expected the next of an answer, as it was';

export function writeCursor({ startTime, id }: PagePlace): string {
  return Buffer.from(JSON.stringify([startTime, id])).toString('base64url');
}

export const cursorSchema = v.pipe(
  v.string(CURSOR),
  v.regex(/^[\w-]{1,128}$/, CURSOR),
  v.rawTransform(({ dataset, addIssue, NEVER }): PagePlace => {
    const place = readCursor(dataset.value);
    if (place !== undefined) return place;
    addIssue({ message: CURSOR });
    return NEVER;
  }),
);

function readCursor(word: string): PagePlace | undefined {
  try {
    const result = v.safeParse(placeSchema, JSON.parse(Buffer.from(word, 'base64url').toString('utf8')));
    return result.success ? { startTime: result.output[0], id: result.output[1] } : undefined;
  } catch {
    return undefined;
  }
}
