// A DN (directory number) as the switch knows it, and what may be said of it.
import * as v from 'valibot';
import { GrecError } from '../errors.ts';
import { NUMBER } from './strategy/pattern.ts';

/** The settings of a DN; the names are those of `grec dn set`. */
export interface DnSettings {
  /** Full-time recording: every call on this DN is recorded (Genesys `record`). */
  record: boolean;
  /** Display name, shown to the called party and in recordings; null for none. */
  name: string | null;
}

export interface Dn extends DnSettings {
  number: string;
  /** MD5 of `number:realm:password` (RFC 7616 section 3.4.2); null: nobody can register. */
  ha1: string | null;
  realm: string | null;
}

const LONGEST_NAME = 64;

/** @throws GrecError DN_INVALID unless `number` can be a DN: 1 to 32 of digits, letters and `+ * # _ . -` */
export function checkNumber(number: string): string {
  if (NUMBER.test(number)) return number;
  throw new GrecError('DN_INVALID', `"${number}" cannot be a DN`, {
    hint: 'a DN has 1 to 32 characters: digits, letters and + * # _ . -',
  });
}

const changeSchema = v.strictObject({
  create: v.optional(v.boolean(), false),
  password: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(128))),
  settings: v.optional(
    v.strictObject({
      record: v.optional(v.boolean()),
      name: v.optional(v.nullable(v.pipe(v.string(), v.maxLength(LONGEST_NAME), v.check(isPrintable)))),
    }),
    {},
  ),
});

function isPrintable(text: string): boolean {
  return !/\p{Cc}/u.test(text);
}

/** What `PUT /dns/:number` may carry. */
export type DnChange = v.InferOutput<typeof changeSchema>;

/** @throws GrecError DN_INVALID, naming each member that is wrong (never its value: it may be a password) */
export function readDnChange(body: unknown): DnChange {
  const result = v.safeParse(changeSchema, body ?? {});
  if (result.success) return result.output;
  const wrong = result.issues.map((issue) => v.getDotPath(issue) ?? 'the body').join(', ');
  throw new GrecError('DN_INVALID', `these DN settings are not acceptable: ${wrong}`, {
    hint: `record takes true or false; name up to ${LONGEST_NAME} printable characters; a password 1 to 128`,
  });
}
